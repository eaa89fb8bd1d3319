"""A run trains on the imported set that was there when it was made, or not at all. On one machine, without an object store."""

import json

import pytest
from imported_sets import config_on, import_as, pictures

from mtl_core.data.imports import delete
from mtl_core.data.imports.pinned_set import PIN, check_pin
from mtl_core.errors import DataError
from mtl_core.runs.executor import execute
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.status import RunStatus


@pytest.fixture
def first(store, tmp_path):
    return import_as(store, pictures(tmp_path / "first"))


@pytest.fixture
def replace(store, tmp_path, first):
    """Delete the set and import other pictures under its name."""

    def do():
        delete("days", store.home)
        return import_as(store, pictures(tmp_path / "second", seed=1))

    return do


def test_a_queued_run_is_not_trained_on_a_set_that_took_the_name_since(store, engine, replace):
    run = store.create(config_on("days"))
    replace()
    ended = execute(store, run.id)
    assert (ended.status, ended.step, ended.failure["kind"]) == (RunStatus.FAILED, 0, "data")
    assert ended.failure["message"].startswith("the data set 'days' is not the one that this run was made for")
    assert execute(store, store.create(config_on("days")).id).status == RunStatus.FINISHED


def test_nor_is_an_interrupted_run_resumed_on_it(store, engine, replace):
    run = store.create(config_on("days"))
    store.end(run.id, RunStatus.INTERRUPTED)
    replace()
    resume(store, run.id)
    assert execute(store, run.id).failure["message"].startswith("the data set 'days' is not the one")


def test_the_same_files_again_are_the_same_data(store, engine, first, tmp_path):
    run = store.create(config_on("days"))
    delete("days", store.home)
    again = import_as(store, tmp_path / "first")
    assert again.digest == first.digest
    assert execute(store, run.id).status == RunStatus.FINISHED


def test_runs_without_the_note_train_as_before(store, engine, first, replace):
    run = store.create(config_on("days"))
    assert json.loads((store.folder(run.id) / PIN).read_text(encoding="utf-8")) == {"set": "days", "digest": first.digest}
    (store.folder(run.id) / PIN).unlink()
    replace()
    assert execute(store, run.id).status == RunStatus.FINISHED


def test_other_data_and_missing_sets_have_no_note(store, config):
    for made in (store.create(config()), store.create(config_on("nowhere"))):
        assert not (store.folder(made.id) / PIN).exists()


@pytest.mark.parametrize("content", ["", "[]", '{"set": "days"}', "\x00"])
def test_a_damaged_note_is_told(tmp_path, content):
    (tmp_path / PIN).write_text(content)
    with pytest.raises(DataError, match="is damaged"):
        check_pin(tmp_path, "days", tmp_path)
