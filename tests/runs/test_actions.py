"""What a person can do with a run, in every state it can be in, and twice."""

import os
import time

import pytest
from sqlalchemy import func, select, update

from mtl_core.errors import ConfigError, NotPossibleError, RunNotFoundError, StoreError
from mtl_core.events import EpochMetrics
from mtl_core.runs import actions
from mtl_core.runs.claims import held_by_us, take_controls
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store
from mtl_core.runs.trash import sweep

ENDED = ("stopped", "finished", "failed", "interrupted")
HELD = ("running", "pausing", "paused", "stopping")

HOLD = """
import sys
from mtl_core.config import RunConfig
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.store import open_store
config = {"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "device": "cpu"}
print(open_store().create(RunConfig.from_dict(config), columns=held_by_us("cpu")).id, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run_that_is(store, config):
    """Make a run in this state; one that is held is held by this thread."""

    def make(status, name=""):
        columns = {**held_by_us("cpu"), "status": status} if status in HELD else {"status": status}
        return store.create(config(name), columns=columns)

    return make


def asked(store, run):
    """What waits to be handed to the trainer."""
    return [record.kind for record in take_controls(store, run.id)]


def rows_of(store, run_id):
    """How many rows of each table are the run's."""
    conditions = {"runs": schema.runs.c.id == run_id, "log": schema.log.c.run_id == run_id, "controls": schema.controls.c.run_id == run_id}
    number = func.coalesce(select(schema.runs.c.number).where(schema.runs.c.id == run_id).scalar_subquery(), 0)
    without_run = schema.points.c.run.not_in(select(schema.runs.c.number))
    conditions |= {"points": (schema.points.c.run == number) | without_run, "run_facts": schema.run_facts.c.run == number}
    with store.database.read() as connection:
        return {name: connection.execute(select(func.count()).where(condition)).scalar() for name, condition in conditions.items()}


# -- stop, pause, proceed


@pytest.mark.parametrize(
    ("status", "after", "controls"),
    [
        ("queued", "stopped", []),
        ("running", "stopping", ["stop"]),
        ("pausing", "stopping", ["stop"]),
        ("paused", "stopping", ["stop"]),
        ("stopping", "stopping", []),
        *((status, status, []) for status in ENDED),
    ],
)
def test_stop_in_every_state(store, run_that_is, status, after, controls):
    run = run_that_is(status)
    assert actions.stop(store, run.id).status == after
    assert actions.stop(store, run.id).status == after  # a second click
    assert asked(store, run) == controls


@pytest.mark.parametrize(("status", "controls"), [("running", ["pause"]), ("pausing", []), ("paused", [])])
def test_pause_of_a_run_that_goes_on(store, run_that_is, status, controls):
    run = run_that_is(status)
    after = "pausing" if status == "running" else status
    assert actions.pause(store, run.id).status == after
    assert actions.pause(store, run.id).status == after
    assert asked(store, run) == controls


@pytest.mark.parametrize("status", ["queued", "stopping", *ENDED])
def test_pause_is_refused_where_nothing_trains(store, run_that_is, status):
    run = run_that_is(status)
    with pytest.raises(NotPossibleError, match=f"run {run.id} is {status}; only a running one can be paused"):
        actions.pause(store, run.id)
    assert (store.get(run.id).status, asked(store, run)) == (status, [])


@pytest.mark.parametrize(("status", "controls"), [("paused", ["proceed"]), ("pausing", ["proceed"]), ("running", [])])
def test_proceed_of_a_paused_run(store, run_that_is, status, controls):
    run = run_that_is(status)
    assert actions.proceed(store, run.id).status == "running"
    assert actions.proceed(store, run.id).status == "running"
    assert asked(store, run) == controls


@pytest.mark.parametrize("status", ["queued", "stopping", *ENDED])
def test_proceed_is_refused_where_nothing_is_paused(store, run_that_is, status):
    run = run_that_is(status)
    with pytest.raises(NotPossibleError, match=f"run {run.id} is {status}; only a paused one can be let go on"):
        actions.proceed(store, run.id)
    assert (store.get(run.id).status, asked(store, run)) == (status, [])


def test_requests_are_handed_out_in_their_order_and_once(store, run_that_is):
    run, other = run_that_is("running"), run_that_is("running")
    actions.pause(store, run.id)
    actions.pause(store, other.id)
    actions.proceed(store, run.id)
    actions.stop(store, run.id)
    assert asked(store, run) == ["pause", "proceed", "stop"]
    assert asked(store, run) == []
    assert asked(store, other) == ["pause"]


# -- the queue


@pytest.mark.parametrize(
    ("moved", "to", "order"), [("c", 1, "cab"), ("a", 2, "bac"), ("a", 3, "bca"), ("a", 99, "bca"), ("b", 2, "abc"), ("b", 0, "bac")]
)
def test_a_queued_run_is_put_at_its_place(store, config, moved, to, order):
    ids = {name: store.create(config(name)).id for name in "abc"}
    place = actions.move(store, ids[moved], to).queue_position
    assert "".join(run.name for run in store.queued()) == order
    assert place == order.index(moved) + 1
    store.create(config("d"))
    assert "".join(run.name for run in store.queued()) == order + "d"  # what comes later is behind


@pytest.mark.parametrize("status", ["running", *ENDED])
def test_only_a_queued_run_is_moved(store, run_that_is, status):
    run = run_that_is(status)
    with pytest.raises(NotPossibleError, match=f"run {run.id} is not in the queue .*; it is {status}"):
        actions.move(store, run.id, 1)


# -- names and notes


def test_a_name_of_ones_own_replaces_the_configs_until_it_is_emptied(store, config):
    run = store.create(config("from config"))
    assert actions.rename(store, run.id, "  mine  ").name == "mine"
    assert actions.rename(store, run.id, "x" * actions.LONGEST_TITLE).name == "x" * actions.LONGEST_TITLE
    for wrong in ("x" * (actions.LONGEST_TITLE + 1), "two\nlines", "a\x00b"):
        with pytest.raises(ConfigError, match="name: expected one line of"):
            actions.rename(store, run.id, wrong)
    assert store.get(run.id).name == "x" * actions.LONGEST_TITLE
    assert actions.rename(store, run.id, " ").name == "from config"


def test_a_note_has_lines_and_an_end(store, config):
    run = store.create(config())
    assert actions.set_note(store, run.id, "two\nlines ").note == "two\nlines"
    assert actions.set_note(store, run.id, "x" * actions.LONGEST_NOTE).note == "x" * actions.LONGEST_NOTE
    with pytest.raises(ConfigError, match="note: expected at most 4000 characters, found 4001"):
        actions.set_note(store, run.id, "x" * (actions.LONGEST_NOTE + 1))
    assert actions.set_note(store, run.id, "").note == ""


def test_tags_are_kept_once_and_in_order(store, config):
    run = store.create(config())
    assert actions.set_tags(store, run.id, ["b", " a ", "b", "", "ü"]).tags == ("b", "a", "ü")
    for wrong, sentence in (("a,b", "comma"), ("x" * (actions.LONGEST_TAG + 1), "at most 40 characters, found 41"), ("a\tb", "one line")):
        with pytest.raises(ConfigError, match=f"tags: .*{sentence}"):
            actions.set_tags(store, run.id, ["fine", wrong])
    assert store.get(run.id).tags == ("b", "a", "ü")
    assert actions.set_tags(store, run.id, []).tags == ()


def test_pinning_is_kept_until_it_is_taken_back(store, config):
    run = store.create(config())
    assert actions.pin(store, run.id).pinned is True
    assert store.get(run.id).pinned is True
    assert actions.pin(store, run.id, False).pinned is False


@pytest.mark.parametrize("status", ["queued", *HELD])
def test_archiving_is_refused_before_the_end(store, run_that_is, status):
    run = run_that_is(status)
    with pytest.raises(NotPossibleError, match=f"run {run.id} is {status}; stop it before it is archived"):
        actions.archive(store, run.id)
    assert store.get(run.id).archived is False


@pytest.mark.parametrize("status", ENDED)
def test_an_ended_run_is_archived_and_brought_back(store, run_that_is, status):
    run = run_that_is(status)
    assert actions.archive(store, run.id).archived is True
    assert actions.archive(store, run.id, False).archived is False


# -- deleting


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


def test_a_status_that_changed_meanwhile_counts(store, run_that_is, monkeypatch):
    """Another tab has resumed the run between the look at it and the click."""
    run = run_that_is("stopped")
    seen = store.get

    def and_it_is_taken(run_id):
        found = seen(run_id)
        with store.database.write() as connection:
            taken = {**held_by_us("cpu"), "status": RunStatus.RUNNING.value}
            connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(**taken))
        return found

    monkeypatch.setattr(store, "get", and_it_is_taken)
    with pytest.raises(NotPossibleError, match="is running; stop it before it is deleted"):
        actions.delete_run(store, run.id)
    assert store.folder(run.id).is_dir()


def test_changes_that_follow_each_other_closely_become_one(store, config):
    run = store.create(config(), columns=held_by_us("cpu"))
    (task,) = list(config().tasks)[:1]
    weight = f"tasks.{task}.loss_weight"

    def asked():
        return [(record.kind, record.payload.get("key"), record.payload.get("value")) for record in take_controls(store, run.id)]

    for value in (1.5, 2.0, 2.5):
        actions.change(store, run.id, weight, value, settle=5)
        assert asked() == []
    actions.change(store, run.id, "optimizer.lr", 0.02, settle=5)
    actions.change(store, run.id, weight, 3.0)
    assert asked() == [("change", weight, 3.0)]  # the learning rate waits on
    actions.stop(store, run.id)
    assert asked() == [("change", "optimizer.lr", 0.02), ("stop", None, None)]  # and is not lost
    assert asked() == []


def test_a_change_waits_no_longer_than_asked_after_the_clock_was_put_back(store, config, monkeypatch):
    run = store.create(config(), columns=held_by_us("cpu"))
    actions.change(store, run.id, "optimizer.lr", 0.02, settle=0.7)
    now = time.time()
    monkeypatch.setattr("mtl_core.runs.claims.store_time", lambda: now - 3600)
    assert [record.payload["value"] for record in take_controls(store, run.id)] == [0.02]
