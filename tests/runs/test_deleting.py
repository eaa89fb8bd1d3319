"""Deleting runs: rows and folder go together or not at all, and what was cut short is tidied when the store is opened."""

import os

import pytest
from sqlalchemy import func, select

from mtl_core.errors import NotPossibleError, RunNotFoundError, StoreError
from mtl_core.events import EpochMetrics
from mtl_core.runs import actions, trash
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import schema
from mtl_core.runs.store import open_store
from mtl_core.runs.trash import sweep
from tests.runs.run_states import ENDED, HELD

HOLD = """
import sys
from mtl_core.config import RunConfig
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.store import open_store
config = {"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "device": "cpu"}
print(open_store().create(RunConfig.from_dict(config), columns=held_by_us("cpu")).id, flush=True)
sys.stdin.read()
"""


def rows_of(store, run_id):
    """How many rows of each table are the run's."""
    conditions = {"runs": schema.runs.c.id == run_id, "log": schema.log.c.run_id == run_id, "controls": schema.controls.c.run_id == run_id}
    number = func.coalesce(select(schema.runs.c.number).where(schema.runs.c.id == run_id).scalar_subquery(), 0)
    without_run = schema.points.c.run.not_in(select(schema.runs.c.number))
    conditions |= {"points": (schema.points.c.run == number) | without_run, "run_facts": schema.run_facts.c.run == number}
    with store.database.read() as connection:
        return {name: connection.execute(select(func.count()).where(condition)).scalar() for name, condition in conditions.items()}


@pytest.mark.parametrize("status", ["queued", *ENDED])
def test_deleting_takes_every_row_and_the_folder_and_nothing_else(store, run_that_is, status):
    run, other = run_that_is(status), run_that_is("running")
    for each in (run, other):
        store.append(each.id, EpochMetrics(1, 1, {"val/a/loss": 1.0}))
    actions.stop(store, other.id)
    before = rows_of(store, other.id)
    actions.delete_run(store, run.id)
    assert rows_of(store, run.id) == {"runs": 0, "log": 0, "controls": 0, "points": 0, "run_facts": 0}
    assert rows_of(store, other.id) == before == {"runs": 1, "controls": 1, "points": 1, "run_facts": 1, "log": before["log"]}
    assert [path.name for path in (store.home / "runs").iterdir()] == [other.id]
    with pytest.raises(RunNotFoundError):
        actions.delete_run(store, run.id)


@pytest.mark.parametrize("status", HELD)
def test_deleting_is_refused_while_it_is_held(store, run_that_is, status):
    run = run_that_is(status, "mine")
    before = rows_of(store, run.id)
    with pytest.raises(NotPossibleError, match=rf"run {run.id} \(mine\) is {status}; stop it before it is deleted"):
        actions.delete_run(store, run.id)
    assert (rows_of(store, run.id), store.folder(run.id).is_dir()) == (before, True)


def test_a_run_of_another_process_is_deleted_only_after_that_is_gone(store, python):
    process = python(HOLD)
    run_id = process.stdout.readline().strip()
    with pytest.raises(NotPossibleError, match="is running"):
        actions.delete_run(store, run_id)
    process.kill()
    process.wait()
    actions.delete_run(store, run_id)
    assert store.runs() == []


def test_of_a_run_whose_folder_is_a_link_only_the_link_is_deleted(store, run_that_is, tmp_path):
    run = run_that_is("stopped")
    elsewhere = tmp_path / "elsewhere"
    store.folder(run.id).rename(elsewhere)
    store.folder(run.id).symlink_to(elsewhere)
    actions.delete_run(store, run.id)
    assert (elsewhere / "config.yaml").is_file()
    assert list((store.home / "runs").iterdir()) == []


def test_a_folder_that_cannot_be_moved_leaves_everything(store, run_that_is, monkeypatch):
    run = run_that_is("stopped")
    store.append(run.id, EpochMetrics(1, 1, {"val/a/loss": 1.0}))
    before = rows_of(store, run.id)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreError, match=rf"folder '.*{run.id}' cannot be deleted: Permission denied.*not deleted"):
        actions.delete_run(store, run.id)
    assert rows_of(store, run.id) == before
    assert (store.folder(run.id) / "config.yaml").is_file()


def test_a_transaction_that_fails_after_the_move_puts_the_folder_back(store, run_that_is, monkeypatch):
    run = run_that_is("stopped")
    move = actions.move_to_trash

    def move_then_fail(folder):
        move(folder)
        raise StoreError("the disk is full")

    monkeypatch.setattr(actions, "move_to_trash", move_then_fail)
    with pytest.raises(StoreError, match="the disk is full"):
        actions.delete_run(store, run.id)
    monkeypatch.undo()
    forget_that_it_was_swept(store)
    open_store(store.home)
    assert (store.folder(run.id) / "config.yaml").is_file()
    assert store.get(run.id).id == run.id


def test_a_commit_that_fails_puts_the_folder_back(store, run_that_is, monkeypatch):
    run = run_that_is("stopped")
    write = type(store.database).write

    class Failing:
        def __init__(self, inner):
            self.inner = inner

        def __enter__(self):
            return self.inner.__enter__()

        def __exit__(self, *_):
            error = StoreError("the disk is full")
            self.inner.__exit__(type(error), error, None)
            raise error

    monkeypatch.setattr(type(store.database), "write", lambda database: Failing(write(database)))
    with pytest.raises(StoreError, match="the disk is full"):
        actions.delete_run(store, run.id)
    monkeypatch.undo()
    assert store.get(run.id).id == run.id
    assert (store.folder(run.id) / "config.yaml").is_file()


def test_a_run_without_a_folder_can_be_deleted(store, run_that_is):
    run = run_that_is("stopped")
    for path in store.folder(run.id).iterdir():
        path.unlink()
    store.folder(run.id).rmdir()
    actions.delete_run(store, run.id)
    assert store.runs() == []


def forget_that_it_was_swept(store):
    """As if another process opened the store for the first time."""
    process_slot("swept stores").pop(str(store.home))


def test_what_a_deletion_cut_short_had_left_is_removed_when_the_store_is_opened(store, run_that_is):
    kept, gone = run_that_is("stopped"), "20260102-030405-abcd"
    left = store.home / "runs" / f".deleted-{gone}"
    (left / "checkpoints").mkdir(parents=True)
    forget_that_it_was_swept(store)
    open_store(store.home)
    assert [path.name for path in (store.home / "runs").iterdir()] == [kept.id]


def test_the_folder_of_a_run_that_is_still_there_is_put_back(store, run_that_is):
    run = run_that_is("stopped")
    os.replace(store.folder(run.id), store.home / "runs" / f".deleted-{run.id}")  # killed here, before the commit
    forget_that_it_was_swept(store)
    open_store(store.home)
    assert (store.folder(run.id) / "config.yaml").is_file()


def test_sweeping_a_store_without_leftovers_writes_nothing(store, monkeypatch):
    monkeypatch.setattr(type(store.database), "write", lambda database: pytest.fail("nothing is to be written"))
    sweep(store.home, store.database)


def test_what_a_killed_deletion_has_left_is_removed_without_the_write_lock(store, monkeypatch):
    left = store.home / "runs" / ".deleted-20260101-000000-0000"
    left.mkdir(parents=True)
    removed = []
    monkeypatch.setattr(trash, "remove", lambda folder: removed.append((folder, store.database._lock._is_owned())))
    sweep(store.home, store.database)
    assert removed == [(left, False)]
