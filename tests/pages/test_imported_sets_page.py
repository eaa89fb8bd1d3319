"""An imported set on the Data page: deleting it asks, and a set that took its name is another one."""

import threading

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import delete, import_dataset, imported, propose
from mtl_core.runs.claims import held_by_us
from tests.pages.conftest import WAIT, config, fill
from tests.pages.test_data_page import settle
from tests.pages.test_evaluation import stored
from ui.data.data_sets import work_key
from ui.shell import page_jobs


@pytest.fixture
def opened(open_page):
    return lambda **query: settle(open_page("data", **query))


@pytest.fixture
def files(tmp_path):
    """A folder with two classes of ten images."""
    random = np.random.default_rng(0)
    for place in range(20):
        path = tmp_path / "brought" / ("day" if place % 2 else "night") / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(path)
    return tmp_path / "brought"


@pytest.fixture
def days(files, store):
    return import_dataset(files, propose(files).spec, "days", home=store.home)


def test_deleting_a_set_asks_and_names_it(opened, days, store, texts):
    app = opened(data="imported/days")
    app.button(key="data.delete").click().run()
    assert "days" in texts(app)
    assert imported(store.home) != []
    app.button(key="delete_really").click().run()
    assert imported(store.home) == []
    assert not app.exception


def test_a_set_that_runs_wait_for_is_deleted_only_if_one_insists(opened, days, store, make_run):
    make_run(filled=False, name="my run", data={"name": "imported", "set": "days"}, tasks={days.tasks[0].name: {}})
    app = opened(data="imported/days")
    app.button(key="data.delete").click().run()
    assert app.warning[-1].value == "Runs wait for this data set: my run (running). Stop them first."
    assert app.button(key="delete_really").disabled
    app.checkbox(key="delete.even_if_needed.days").check().run()
    app.button(key="delete_really").click().run()
    assert imported(store.home) == []
    assert not app.exception


def test_runs_queued_since_the_dialog_opened_keep_the_set(opened, days, store, make_run):
    app = opened(data="imported/days")
    app.button(key="data.delete").click().run()
    assert not app.button(key="delete_really").disabled
    make_run(filled=False, name="my run", data={"name": "imported", "set": "days"}, tasks={days.tasks[0].name: {}})
    app.button(key="delete_really").click().run()
    assert "1 run waits for it" in app.error[-1].value.replace("\\", "")
    assert [one.name for one in imported(store.home)] == ["days"]


def test_a_set_that_took_the_name_of_another_is_shown_and_not_the_other(opened, days, files, store):
    def shown():
        opened(data="imported/days")
        return page_jobs.state_of(work_key({"name": "imported", "set": "days"}))["result"]["data"].train.images

    before = shown()
    delete("days", store.home)  # by a command, which knows nothing of what this server keeps
    for path in files.glob("*/*[0-9].png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    import_dataset(files, propose(files).spec, "days", home=store.home)
    assert (shown() == 255 - before).all()


@pytest.fixture
def evaluated(store, days, keep):
    """A finished run on the set, with an evaluation of images and predictions of a split."""
    run = store.create(config(data={"name": "imported", "set": "days"}), columns=held_by_us("cpu"))
    keep(fill(store, run, end="finished"), 1, 2, best=2)
    stored(store, run)
    (store.folder(run.id) / "predictions" / "val_epoch_0002_step_00000004").mkdir(parents=True)
    return run


def test_images_that_took_the_name_of_those_that_were_measured_are_not_shown(open_page, store, evaluated, files, texts):
    delete("days", store.home)
    for path in files.glob("*/*[0-9].png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    import_dataset(files, propose(files).spec, "days", home=store.home)
    app = open_page("run", run=evaluated.id, view="evaluation")
    assert "4 labelled images" in texts(app)  # the numbers were measured on the set that was there
    other = "the data set 'days' is not the one that this run was made for"
    [said] = {caption.value for caption in app.caption if "No images" in caption.value}
    assert f"No images: {other}" in said
    assert not app.get("image")
    app = open_page("predictions", run=evaluated.id, images="val")
    assert app.error[0].value.startswith(other)


def test_the_train_form_draws_the_set_that_is_there_and_not_one_that_had_its_name(opened, open_page, days, files, store):
    def drawn():
        app = opened(data="imported/days")
        app.button(key="data.train").click().run()
        app.switch_page("pages/train.py").run()
        for thread in threading.enumerate():
            if thread.name == "prepare-sample":
                thread.join(WAIT)
        app.run()
        assert not app.exception
        assert not [error for error in app.error if "could not be drawn" in error.value]
        [sheet] = [image.proto.imgs[0].url for image in app.get("image") if image.proto.imgs[0].alt == "One sample with its targets"]
        return sheet

    before = drawn()
    assert drawn() == before
    delete("days", store.home)
    for path in files.glob("*/*[0-9].png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    import_dataset(files, propose(files).spec, "days", home=store.home)
    assert drawn() != before
