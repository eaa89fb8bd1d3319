"""A disk that fills up while a run trains: the run says so, what was committed is intact, and with room again it ends as if nothing had been."""

import errno
import os
import sqlite3
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from dashboards import wait_for
from evidence import BRIEF_STEPS, assert_kept, assert_whole, brief, rows_of
from sqlalchemy.exc import OperationalError

from mtl_core.errors import StoreError
from mtl_core.events import EpochMetrics
from mtl_core.runs import actions, executor
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.sql.database import Database
from mtl_core.training.checkpoint_files import read_index


@pytest.fixture
def config():
    return brief("uncertainty", epochs=4)


def full_at(number, original):
    """``original``, which finds no room from its call ``number`` on."""
    calls = iter(range(1, 10**6))

    def call(*arguments, **named):
        if next(calls) >= number:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(*arguments, **named)

    return call


@pytest.mark.parametrize(
    ("place", "number"),
    [
        ("numpy.savez_compressed", 5),  # predictions of the third epoch
        ("mtl_core.training.checkpoints.write_synced", 8),  # state.pt of the third
        ("mtl_core.training.checkpoint_files.write_text", 3),  # the index
    ],
)
def test_a_file_that_finds_no_room(store, wholes, config, monkeypatch, place, number):
    run = store.create(config)
    module, _, name = place.rpartition(".")
    with monkeypatch.context() as patched:
        patched.setattr(place, full_at(number, getattr(__import__(module, fromlist=[name]), name)))
        failed = execute(store, run.id)
    assert (failed.status, failed.failure["kind"]) == ("failed", "disk_full")
    folder = store.folder(run.id)
    assert read_index(folder)["last"].startswith("epoch_0002_")
    assert [path.name for path in folder.rglob("*.tmp")] == []
    committed = rows_of(store, run.id)
    assert ("val/digit/loss", 3 * BRIEF_STEPS) in committed  # measured before it was to be saved

    resume(store, run.id)
    execute(store, run.id)
    wholes.assert_same(store, run.id)
    assert_kept(committed, rows_of(store, run.id))


def test_a_file_that_the_system_does_not_let_grow(store, home, wholes, victims):
    """The kernel's own refusal, in the middle of a file: a limit on file sizes acts as a full disk or a quota does."""
    run = store.create(brief("uncertainty", epochs=2, backbone={"name": "mlp", "hidden": [512, 512]}))
    victims.train(home, run.id, "process", {"how": "limit", "number": 1_800_000})  # of state.pt's 2.4 MB; the network's 1.2 MB fit
    failed = store.get(run.id)
    assert (failed.status, failed.failure["kind"]) == ("failed", "disk_full")
    assert failed.epoch == 1
    committed = rows_of(store, run.id)
    assert ("val/digit/loss", BRIEF_STEPS) in committed
    assert list((store.folder(run.id) / "checkpoints").iterdir()) == []
    assert_whole(store)

    resume(store, run.id)
    victims.train(home, run.id, "process")
    wholes.assert_same(store, run.id)
    assert_kept(committed, rows_of(store, run.id))


def test_a_quota_on_the_database_is_not_taken_for_missing_permission(store):
    """SQLite calls everything but ENOSPC an I/O error."""
    error = OperationalError("insert", {}, sqlite3.OperationalError("disk I/O error"))
    with pytest.raises(StoreError, match=r"disk I/O error.*disk or a quota on it may be full.*Free some space"), store.database.write():
        raise error


def test_a_disk_that_became_read_only_is_named_and_not_called_full(store, monkeypatch):
    real = os.statvfs(store.home)
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=real.f_flag | os.ST_RDONLY))
    for reason in ("disk I/O error", "attempt to write a readonly database"):
        error = OperationalError("insert", {}, sqlite3.OperationalError(reason))
        with pytest.raises(StoreError, match=rf"is read-only \({reason}\).*Check the disk") as raised, store.database.write():
            raise error
        assert "full" not in str(raised.value)


def limit(store, pages):
    """Let the database grow to so many pages; 0 for those it has."""
    with store.database.write() as connection:
        pages = pages or connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")


def status_elsewhere(python, run_id):
    """What another process reads."""
    reader = python(f"from mtl_core.runs.store import open_store; print(open_store().get({run_id!r}).status)")
    return reader.communicate(timeout=60)[0].strip()


@contextmanager
def trained_beside(store, run_id, on_event):
    """Train in a thread: an end that cannot be written is tried again until it can. Shown as failed here, when the block begins."""
    thread = threading.Thread(target=execute, args=(store, run_id), kwargs={"on_event": on_event}, daemon=True)
    thread.start()
    wait_for(lambda: store.get(run_id).status == "failed")
    yield
    thread.join(60)
    assert not thread.is_alive()


def test_a_database_that_cannot_grow(store, wholes, config, monkeypatch):
    monkeypatch.setattr(executor, "RETRY_SECONDS", (0.01,))
    run, before = store.create(config), {}

    def fill_up(event):
        if isinstance(event, EpochMetrics) and event.epoch == 2:
            limit(store, 0)
            before.update(rows_of(store, run.id))

    with trained_beside(store, run.id, fill_up):
        assert store.get(run.id).failure["kind"] == "disk_full"
        assert rows_of(store, run.id) == before
        limit(store, 2**30)
    assert store.get(run.id).status == "failed"
    assert "is full" in store.get(run.id).failure["message"]
    assert_whole(store)
    resume(store, run.id)
    execute(store, run.id)
    wholes.assert_same(store, run.id)
    assert_kept(before, rows_of(store, run.id))


@pytest.mark.parametrize("frees", [True, False])
def test_a_run_can_be_deleted_where_nothing_can_be_written(store, config, monkeypatch, frees):
    """The disk has no room for a transaction as long as the run's training states lie on it, or whatever is deleted."""
    run, write = execute(store, store.create(config).id), Database.write
    folder = store.folder(run.id)
    states = len(list(folder.glob("checkpoints/*/state.pt")))
    assert states > 0

    @contextmanager
    def write_where_there_is_room(database):
        with write(database) as connection:
            yield connection
            if not frees or any((store.home / "runs").glob("*/checkpoints/*/state.pt")):
                raise OperationalError("commit", {}, sqlite3.OperationalError("database or disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", write_where_there_is_room)
        if frees:
            actions.delete_run(store, run.id)
        else:
            with pytest.raises(StoreError, match="is full"):
                actions.delete_run(store, run.id)
    if frees:
        assert (store.runs(), list((store.home / "runs").iterdir())) == ([], [])
    else:  # it stays, and what was measured with it
        assert store.get(run.id).status == "finished"
        assert (folder / "config.yaml").is_file()
        assert list(folder.glob("checkpoints/*/model.safetensors"))


def test_an_end_that_cannot_be_written_is_shown_and_written_later(store, wholes, config, monkeypatch, python):
    monkeypatch.setattr(executor, "RETRY_SECONDS", (0.01,))
    full, write = threading.Event(), Database.write

    def write_where_there_is_room(database):
        if full.is_set():
            raise StoreError(f"the disk that holds '{database.path}' is full (database or disk is full)")
        return write(database)

    def fill_up(event):
        if isinstance(event, EpochMetrics) and "test/digit/loss" in event.scalars:
            full.set()

    monkeypatch.setattr(Database, "write", write_where_there_is_room)
    run = store.create(config)
    with trained_beside(store, run.id, fill_up):
        assert store.get(run.id).failure["kind"] == "disk_full"
        assert status_elsewhere(python, run.id) == "running"  # what the disk still says
        full.clear()
    assert status_elsewhere(python, run.id) == "failed"
    resume(store, run.id)
    execute(store, run.id)
    wholes.assert_same(store, run.id)
