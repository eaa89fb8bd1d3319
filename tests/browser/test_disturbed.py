"""A run is disturbed from outside: source files are saved while it trains. It stays one run."""

from __future__ import annotations

import json
import shutil
import time
from itertools import cycle
from pathlib import Path

import pytest
from playwright.sync_api import expect

from mtl_core.config import RunConfig
from mtl_core.runs import actions
from mtl_core.runs.store import open_store
from tests.browser.conftest import Server, new_window
from tests.browser.one_tab import go
from tests.browser.persistence import act_until

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
PATIENCE = 600.0  # seconds; a bound for slow machines, not a claim
CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "batch_size": 32,
    "device": "cpu",
    "precision": "fp32",
    "keep_checkpoints": 0,
    "update": {"name": "unhurried"},
}
# What is put at the end of a saved file: says that it was imported anew, and which threads there were then.
PROBE = """
import json as _json, os as _os, pathlib as _pathlib, threading as _threading
_pathlib.Path(_os.environ["MTL_HOME"], "{name}.json").write_text(_json.dumps([thread.name for thread in _threading.enumerate()]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that watches its files, on a copy that may be changed."""
    folder = tmp_path_factory.mktemp("disturbed")
    copy = folder / "copy"
    for name in ("pages", "ui", "mtl_core", ".streamlit"):
        shutil.copytree(ROOT / name, copy / name)  # with the compiled files: a copied file keeps its time, so they hold
    shutil.copy(ROOT / "app.py", copy)
    options = ("--server.fileWatcherType", "auto")  # as CONTRIBUTING.md says; where the system tells of changes, nothing polls 250 files
    running = Server(folder / "home", folder / "server.log", copy, options, PYTHONPATH=str(copy), OMP_NUM_THREADS="1")
    running.copy = copy
    yield running
    running.process.kill()  # where Streamlit polls its files, the threads for it take more than ten seconds to end
    running.process.wait()


@pytest.fixture
def page(chromium, server):
    """A tab that is patient: slow machines may take their time, whatever is waited for."""
    context = new_window(chromium, viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    yield tab
    expect.set_options(timeout=5000)
    tracebacks = tab.get_by_text("Traceback (most recent call last)").count()
    context.close()
    store = open_store(server.home)
    for run in store.runs():
        actions.stop(store, run.id)  # so that a journey that failed does not keep the device from the next one
    assert tracebacks == 0


def queue(server, epochs, name):
    store = open_store(server.home)
    return store, store.create(RunConfig.from_dict({**CONFIG, "epochs": epochs, "name": name})).id


def wait_for(what):
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def started(store, run_id):
    return [line.text for line in store.log(run_id) if line.text.startswith("training starts on")]


def imported_anew(page, server, *names):
    """Save files with something more in them, and go from page to page until all were imported again; the threads there were then, for each file.

    A reload would not do: the server watches files for sessions that are connected.
    """
    links = cycle(("Compare", "Predictions"))
    told = {name: server.home / f"{Path(name).stem}.json" for name in names}
    for name, file in told.items():
        file.unlink(missing_ok=True)  # of a first try
        with (server.copy / name).open("a") as source:
            source.write(PROBE.format(name=file.stem))

    def all_told():
        return all(file.exists() for file in told.values())

    def visited():
        page.get_by_role("link", name=next(links), exact=True).first.click()
        deadline = time.monotonic() + 3
        while not all_told() and time.monotonic() < deadline:
            time.sleep(0.05)
        return all_told()

    wait_for(visited)
    return [json.loads(file.read_text()) for file in told.values()]


def test_saving_source_files_neither_stops_nor_doubles_a_run(page, server):
    before = len(open_store(server.home).runs())
    store, run_id = queue(server, 4000, "saved over")
    page.goto(f"{server.url}/run?run={run_id}")
    expect(page.get_by_role("heading", name="saved over")).to_be_visible()
    wait_for(lambda: store.get(run_id).epoch >= 1)
    for threads in imported_anew(page, server, "ui/shell/words.py", "mtl_core/runs/jobs.py"):
        assert [thread for thread in threads if thread.startswith("train-")] == [f"train-{run_id}"]
        assert threads.count("mtl-queue") == 1
    step = store.get(run_id).step
    wait_for(lambda: store.get(run_id).step > step)
    go(page, f"{server.url}/run?run={run_id}", is_live=True)
    expect(page.get_by_role("heading", name="saved over")).to_be_visible()
    stop = page.get_by_role("button", name="Stop", exact=True).first
    act_until(page, lambda: stop.click(timeout=5000), lambda: store.get(run_id).status == "stopped")
    assert len(started(store, run_id)) == 1
    assert len(store.runs()) == before + 1

    store, after = queue(server, 1, "after it")  # by the code that was there first, for whose thread this is
    wait_for(lambda: store.get(after).status == "finished")
    go(page, f"{server.url}/?clone={run_id}")
    page.get_by_role("button", name="Train", exact=True).and_(page.locator(":enabled")).click()  # by the code as it is now
    page.wait_for_url("**/run?run=*")
    wait_for(lambda: len(store.runs()) == before + 3 and store.runs()[0].status == "running")
    actions.stop(store, store.runs()[0].id)
    wait_for(lambda: store.runs()[0].status == "stopped")
    assert len(store.runs()) == before + 3
