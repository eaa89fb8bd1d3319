"""What a person can do with a run, in every state it can be in, and twice."""

import time

import pytest
from sqlalchemy import update

from mtl_core.errors import ConfigError, NotPossibleError
from mtl_core.runs import actions
from mtl_core.runs.claims import held_by_us, take_controls
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from tests.runs.run_states import ENDED, HELD


def asked(store, run):
    """What waits to be handed to the trainer."""
    return [record.kind for record in take_controls(store, run.id)]


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


# -- at the same time


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
