"""Exports behind a page: made once, found again, and a failure that is said."""

import json
import threading

import pytest

from mtl_core.errors import ConfigError, StoreError
from mtl_core.exports import export_jobs
from mtl_core.exports.export_jobs import ready, start, under_way
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
    place = store.folder(run.id) / "exports" / "yaml"
    assert sorted(path.name for path in place.rglob("*") if path.is_file()) == [f"{run.id}.yaml", "about.json"]
    start(store, run.id, "yaml")  # again: in its place
    wait(run.id)
    assert len(ready(store, run.id)) == 1
    assert len([path for path in place.rglob("*") if path.is_file()]) == 2


def test_asked_twice_while_it_works_it_is_made_once(store, run, monkeypatch):
    begun, go = threading.Semaphore(0), threading.Event()

    def slow(*arguments):
        begun.release()
        assert go.wait(30)

    monkeypatch.setattr(export_jobs, "_make_alone", slow)
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
    assert "has no checkpoint" in under_way(store, run.id)["onnx"]["problem"]
    assert ready(store, run.id) == []
    with pytest.raises(ConfigError, match="unknown export format"):
        start(store, run.id, "../../x")


@pytest.mark.parametrize("step", ["export", "write_text"])
def test_the_export_before_stays_until_another_is_ready(store, run, monkeypatch, step):
    start(store, run.id, "yaml")
    wait(run.id)
    (before,) = ready(store, run.id)

    def fail(*_arguments, **_more):
        assert ready(store, run.id) == [before]  # also while another one is being made
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(export_jobs, step, fail)
        start(store, run.id, "yaml")
        wait(run.id)
    assert under_way(store, run.id)["yaml"]["problem"] == "the disk is full"
    assert ready(store, run.id) == [before]
    assert before.file.read_text() == run.config.to_yaml()
    assert len(list((store.folder(run.id) / "exports" / "yaml").iterdir())) == 2  # nothing of the one that failed


def test_an_export_of_an_earlier_version_is_found_and_replaced(store, run):
    place = store.folder(run.id) / "exports" / "yaml"
    place.mkdir(parents=True)
    (place / "old.yaml").write_text("old")
    (place / "about.json").write_text(json.dumps({"file": "old.yaml", "checkpoint": "best", "step": 0, "made_at": 1.0}))
    assert [made.file for made in ready(store, run.id)] == [place / "old.yaml"]
    start(store, run.id, "yaml")
    wait(run.id)
    assert [made.file.name for made in ready(store, run.id)] == [f"{run.id}.yaml"]
    assert not (place / "old.yaml").exists()


def test_several_files_become_one_and_a_torn_description_is_passed_over(store, run):
    start(store, run.id, "json")
    wait(run.id)
    about = store.folder(run.id) / "exports" / "json" / "about.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "file": "../../../config.yaml"}))
    assert ready(store, run.id) == []  # only a name counts, and there is no such file here
    about.write_text("{")
    assert ready(store, run.id) == []
