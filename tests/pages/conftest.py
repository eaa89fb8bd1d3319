"""A store filled by hand, and the app run on it without a worker: nothing is trained here."""

import json
import threading
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from streamlit.runtime.state.session_state import SessionState
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import ElementList

from mtl_core.config import RunConfig
from mtl_core.data.prepare import prepare
from mtl_core.errors import DataError
from mtl_core.events import EpochMetrics, Message, Paused, ProbesSaved, RunEnded, RunStarted, StepScalars
from mtl_core.language import speaking
from mtl_core.presets import load_presets
from mtl_core.runs import actions, jobs
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store
from mtl_core.training.checkpoint_files import FILES, name_of, update_index
from tests.pages.english_texts import read_pictures
from tests.pages.plain_app_test import spare
from ui.shell import page_jobs
from ui.shell.language_choice import CHOSEN

PRESETS = cache(load_presets)  # read once for all tests; the session's own copies are made from them
WAIT = 60  # seconds; a bound for slow machines
HANGS = 300  # seconds without an end after which a page counts as hung; loading PyTorch alone takes a minute on a busy machine
PARTS = ("data", "data.preprocessing.denoise", "backbone", "balancing", "update", "sharing")
SECTIONS = ("data_options", "made", "weights", "frozen", "strategies", "advanced", "as_text")
FOLDED = (*SECTIONS, *(f"options.{part}" for part in PARTS))  # all sections of the Train page that are folded at first
TABS = ("What next?", "Settings", "Network", "Cost", "Log", "Lessons", "The plane", "Gradients by hand", "For a class", "The article")
APP = str(Path(__file__).parents[2] / "app.py")
LOSS = {"title": "Loss", "unit": "", "higher_is_better": False}
TASKS = {
    "digit": {
        "kind": "classification",
        "title": "Which digit",
        "classes": [str(number) for number in range(10)],
        "unit": "",
        "target": "digit",
        "main_metric": "accuracy",
        "metrics": {"loss": LOSS, "accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": True}},
    },
    "slant": {
        "kind": "regression",
        "title": "Slant",
        "classes": [],
        "unit": "degrees",
        "target": "slant",
        "main_metric": "mae",
        "metrics": {"loss": LOSS, "mae": {"title": "Mean absolute error", "unit": "degrees", "higher_is_better": False}},
    },
}
INFO = {
    "device": "cpu",
    "device_name": "a test's processor",
    "precision": "fp32",
    "layout": "contiguous",
    "parameters": {"shared": 900, "tasks": {"digit": 80, "slant": 20}},
    "images": {"train": 100, "val": 20, "test": 20},
    "steps_per_epoch": 2,
    "tasks": TASKS,
    "versions": {},
    "image_shape": [1, 8, 8],
}


def config(**changes):
    values = {"name": "a run", "data": {"name": "digits"}, "tasks": {"digit": {}, "slant": {}}, "backbone": {"name": "mlp"}, "epochs": 3}
    return RunConfig.from_dict({**values, **changes})


def fill(store, run, epochs=2, end=None):
    """Events and probe files of a run's first epochs."""
    store.append(run.id, RunStarted(6, INFO))
    folder = store.folder(run.id) / "probes"
    folder.mkdir(exist_ok=True)
    images = np.full((4, 8, 8, 3), 120, dtype=np.uint8)
    targets = {"target/digit": np.arange(4), "target/slant": np.arange(4, dtype=np.float32)}
    labelled = {"labelled/digit": np.array([True, True, False, True]), "labelled/slant": np.ones(4, dtype=bool)}
    np.savez(folder / "targets.npz", images=images, index=np.arange(4), **targets, **labelled)
    for epoch in range(epochs + 1):
        np.savez(folder / f"epoch_{epoch:04d}.npz", digit=np.eye(4, 10, dtype=np.float32), slant=np.full(4, epoch, dtype=np.float32))
        store.append(run.id, ProbesSaved(epoch, f"probes/epoch_{epoch:04d}.npz"))
        if epoch:
            for step in (2 * epoch - 1, 2 * epoch):
                losses = {"train/digit/loss": 2.0 / step, "train/slant/loss": 1.0 / step, "optimizer/loss": 3.0 / step, "optimizer/lr": 0.01}
                store.append(run.id, StepScalars(step, step / 2, {**losses, "loss_weight/digit": 1.0, "loss_weight/slant": 1.0}))
            values = {"val/digit/loss": 1.0 / epoch, "val/digit/accuracy": 0.4 + 0.1 * epoch, "val/slant/loss": 0.5, "val/slant/mae": 3.0 / epoch}
            store.append(run.id, EpochMetrics(2 * epoch, epoch, values))
    store.append(run.id, Message("a line of the log"))
    if end == "finished":
        store.append(run.id, EpochMetrics(2 * epochs, epochs, {"test/digit/accuracy": 0.625, "test/slant/mae": 1.25}))
    if end:
        store.append(run.id, RunEnded(end, 2 * epochs, float(epochs), 10.0, 1.0))
    return store.get(run.id)


def keep(store, run, *epochs, best=None):
    """Checkpoints after these epochs, as far as anything but the trainer looks at them."""
    parent = store.folder(run.id) / "checkpoints"
    for epoch in epochs:
        name = name_of(epoch, 2 * epoch)
        (parent / name).mkdir(parents=True)
        for file in FILES:
            (parent / name / file).write_text("")
        position = {"epoch": epoch, "step": 2 * epoch, "step_in_epoch": 0}
        (parent / name / "meta.json").write_text(json.dumps({"format": 2, "position": position, "execution": {"precision": "fp32"}}))
        update_index(store.folder(run.id), name, best=epoch == best, keep=True)
    return run


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MTL_HOME", str(tmp_path))
    monkeypatch.setattr(jobs, "warm_up", lambda: None)
    monkeypatch.setattr(jobs, "start_worker", lambda store: None)
    monkeypatch.setattr(jobs, "warmed", lambda: True)
    monkeypatch.setattr("ui.shell.state.load_presets", PRESETS)
    st.cache_resource.clear()
    st.cache_data.clear()
    return open_store()


def base(key):
    """A widget's key without the part and the edition in it (see ``ui.shell.form_editions``)."""
    return str(key).partition("@")[0]


def choose_preset(app, name):
    """Click a preset of the Train form, after its group where another is shown."""
    [group] = [preset.group for preset in PRESETS() if preset.name == name]
    if app.button_group(key="preset_group").value != group:
        app.button_group(key="preset_group").set_value(group).run()
    app.button_group(key=f"preset.{group}").set_value(name).run()


def lit_preset(app):
    """The preset of the shown group that is lit; None if none is."""
    return app.button_group(key=f"preset.{app.button_group(key='preset_group').value}").value


@pytest.fixture(autouse=True)
def _keys_without_editions(monkeypatch):
    """Tests name a form's widgets by ``base`` of their keys."""

    def find(widgets, key):
        for widget in widgets:
            if key in (widget.key, base(widget.key)):
                return widget
        raise KeyError(key)

    monkeypatch.setattr(ElementList, "__call__", find)


@pytest.fixture
def report_all(monkeypatch):
    """Run the page as after a script run that was interrupted: Streamlit knows no former values then and calls every widget's ``on_change``.

    ``report_all(app, late)`` also reports the widgets of an earlier page: ``late = app._tree.get_widget_states()``. ``stale``: for widgets of both
    pages the values of the earlier one, as from a browser that has not drawn the later one yet.
    """

    def is_click(state, key):
        metadata = state._new_widget_state.widget_metadata.get(key)
        return metadata is None or not metadata.value_type or metadata.value_type.endswith("trigger_value")

    def run(app, late=None, stale=False):
        states = app._tree.get_widget_states()
        known = {state.id: state for state in states.widgets}
        before = {state.id: state for state in (late.widgets if late else ())}
        states = type(states)(widgets=({**known, **before} if stale else {**before, **known}).values())
        with monkeypatch.context() as patch:
            patch.setattr(SessionState, "_widget_changed", lambda state, key: not is_click(state, key))
            patch.setattr(app._tree, "get_widget_states", lambda: states)
            app.run()
            assert not app.exception

    return run


@pytest.fixture(autouse=True)
def _plain_app_test(monkeypatch):
    spare(monkeypatch)


def wait_for_work():
    """Return once what pages do in the background is done. A page that is drawn again and again meanwhile takes the processor from it."""
    for thread in threading.enumerate():
        if thread.name.startswith("page-work"):
            thread.join(WAIT)


@pytest.fixture(autouse=True)
def _what_is_being_made_ends_with_its_test(monkeypatch, shared_cache):
    """Pages prepare data in threads that go on when nobody looks: up to six sets of scenes at once stood in the way of the tests that followed.

    What one test has prepared, the others find.
    """
    over = threading.Event()

    def until_over(source, cache, progress):
        def report(share, what):
            if over.is_set():
                raise RuntimeError("the test is over")
            progress(share, what)

        return prepare(source, shared_cache, report)

    monkeypatch.setattr("ui.train.sample_preview.prepare", until_over)
    yield
    over.set()
    for key in list(page_jobs.JOBS.all()):
        page_jobs.cancel(key)
    for thread in threading.enumerate():
        if thread.name in ("prepare-sample", "page-work"):
            thread.join(WAIT)
            assert not thread.is_alive()
    for kind in ("prepare-sample", "page-work"):
        process_slot(f"jobs: {kind}").clear()


@pytest.fixture
def finished(store):
    return fill(store, store.create(config(), columns=held_by_us("cpu")), end="finished")


@pytest.fixture
def open_page(store):
    """The app at a page, as a browser opens it.

    ``unfolded`` are the sections of the Train form that someone has unfolded, ``tabs`` those of Learn and of a run that someone has opened before.
    """

    def opened(page="", language="", unfolded=(), tabs=(), **query):
        app = AppTest.from_file(APP, default_timeout=HANGS)
        for section in unfolded:
            app.session_state[f"{section}.open"] = True
        for key in ("learn.tab", *(f"below.{query.get('run')}.{ended}" for ended in (False, True))):
            app.session_state[f"{key}.seen"] = set(tabs)
        if language:
            app.session_state[CHOSEN] = language
        for key, value in query.items():
            app.query_params[key] = value
        if page:
            app.switch_page(f"pages/{page}.py")
        app.run()
        assert not app.exception, app.exception
        return app

    return opened


@pytest.fixture
def open_in_chinese(open_page, monkeypatch):
    """Opens a page in Chinese; its pictures are read too (``english_left``)."""
    read_pictures(monkeypatch)
    return partial(open_page, language="zh", unfolded=FOLDED, tabs=TABS)


@pytest.fixture
def in_chinese():
    """AppTest asks for the words of choices outside the script."""
    with speaking("zh"):
        yield


@pytest.fixture(name="keep")
def keep_fixture(store):
    return lambda run, *epochs, **more: keep(store, run, *epochs, **more)


@pytest.fixture
def in_state(store, make_run):
    """A run in any state, with two of its three epochs done and kept where it has begun to train."""

    def made(status, **changes):
        if status == "queued":
            return store.create(config(**changes))
        run = keep(store, make_run(**changes), 1, 2, best=1)
        if status in ("stopped", "finished"):
            store.append(run.id, RunEnded(status, 4, 2.0, 10.0, 1.0))
        elif status == "failed":
            store.end(run.id, RunStatus.FAILED, {"kind": "bug", "message": "it broke", "cure": "Report it.", "trace": "line 1"})
        elif status == "interrupted":
            store.end(run.id, RunStatus.INTERRUPTED)
        elif status == "paused":
            store.append(run.id, Paused(4, 2.0))
        elif status == "pausing":
            actions.pause(store, run.id)
        elif status == "stopping":
            actions.stop(store, run.id)
        assert store.get(run.id).status == status
        return store.get(run.id)

    return made


def texts(app):
    """Everything that is written on the page."""
    kinds = (app.markdown, app.caption, app.title, app.subheader, app.info, app.warning, app.error, app.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.fixture(name="texts")
def texts_fixture():
    return texts


@pytest.fixture
def make_run(store):
    """A running run of this process; ``filled`` with ``epochs_done`` of its three epochs."""

    def made(filled=True, epochs_done=2, **changes):
        run = store.create(config(**changes), columns=held_by_us("cpu"))
        return fill(store, run, epochs_done) if filled else run

    return made


@pytest.fixture
def no_pictures(monkeypatch):
    """Composing thousands of scenes is not what is tested here."""

    def refuse(*_):
        raise DataError("no pictures in this test")

    monkeypatch.setattr("ui.train.sample_preview.prepare", refuse)


@pytest.fixture
def quick_form(open_page, no_pictures):
    """The Train page with the quick preset, without a sample of its data. Its background jobs end with the test."""
    [preset] = [preset for preset in PRESETS() if preset.title.startswith("Quick")]
    app = open_page()
    choose_preset(app, preset.name)
    yield app
    for name in ("preflight", "backbones", "network-drawing"):
        jobs = process_slot(f"jobs: {name}")
        for state in jobs.values():
            state["thread"].join(60)
        jobs.clear()
