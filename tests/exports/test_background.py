"""Exports behind a page: made once, found again, and a failure that is said."""

import json
import threading

import pytest

from mtl_core.errors import ConfigError
from mtl_core.exports import background
from mtl_core.exports.background import ready, start, under_way
from mtl_core.runs.store import open_store


def wait(run_id):
    for thread in threading.enumerate():
        if thread.name.startswith(f"export-{run_id}"):
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def store(home):
    return open_store(home)


@pytest.fixture
def run(store, trained):
    return store.create(trained.run.config)


def test_made_in_the_runs_folder_and_found_again(store, run):
    start(store, run.id, "yaml")
    wait(run.id)
    (made,) = ready(open_store(store.home), run.id)
    assert (made.name, made.file.name, made.step) == ("yaml", f"{run.id}.yaml", 0)
    assert made.file.is_relative_to(store.folder(run.id) / "exports")
    assert made.file.read_text() == run.config.to_yaml()
    assert under_way(store, run.id) == {}
    assert {path.name for path in made.file.parent.iterdir()} == {"about.json", f"{run.id}.yaml"}
    start(store, run.id, "yaml")  # again: in its place
    wait(run.id)
    assert len(ready(store, run.id)) == 1


def test_asked_twice_while_it_works_it_is_made_once(store, run, monkeypatch):
    begun, go = threading.Semaphore(0), threading.Event()

    def slow(*arguments):
        begun.release()
        assert go.wait(30)

    monkeypatch.setattr(background, "_make_alone", slow)
    start(store, run.id, "csv")
    assert begun.acquire(timeout=30)
    start(store, run.id, "csv")
    assert under_way(store, run.id)["csv"]["state"] == "working"
    go.set()
    wait(run.id)
    assert not begun.acquire(blocking=False)
    assert under_way(store, run.id) == {}


def test_a_failure_is_said_and_leaves_nothing(store, run):
    start(store, run.id, "onnx")
    wait(run.id)
    assert "has no checkpoint yet" in under_way(store, run.id)["onnx"]["problem"]
    assert ready(store, run.id) == []
    with pytest.raises(ConfigError, match="unknown export format"):
        start(store, run.id, "../../x")


def test_several_files_become_one_and_a_torn_description_is_passed_over(store, run):
    start(store, run.id, "json")
    wait(run.id)
    about = store.folder(run.id) / "exports" / "json" / "about.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "file": "../../../config.yaml"}))
    assert ready(store, run.id) == []  # only a name counts, and there is no such file here
    about.write_text("{")
    assert ready(store, run.id) == []
