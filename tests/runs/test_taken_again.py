"""What the store keeps of a run that is resumed, or given up and taken by another: its place, its signs of life, its end."""

from contextlib import contextmanager

import pytest
from sqlalchemy import update

from mtl_core.errors import RunTakenError
from mtl_core.events import EpochMetrics, Message, RunEnded, RunStarted, StepScalars
from mtl_core.runs import resume_and_fork
from mtl_core.runs.claims import claim, heartbeat, held_by_us
from mtl_core.runs.sql import event_writer, schema
from mtl_core.runs.status import RunStatus


@pytest.fixture
def resumed(store, config):
    """A run at step 8 of 8, stopped while test was measured, and taken again; with the token."""
    run = store.create(config(), columns=held_by_us("cpu"))
    token = store.get(run.id).holder
    store.append(run.id, RunStarted(8, {}), token)
    store.append(run.id, EpochMetrics(8, 4, {"val/a/loss": 1.0}), token)
    store.append(run.id, RunEnded("stopped", 8, 4.0, 3.0, 1.0), token)
    resume_and_fork.resume(store, run.id)
    return run.id, claim(store, run.id, "cpu")


def place(store, run_id):
    run = store.get(run_id)
    return run.step, run.epoch


def test_what_a_resumed_run_had_reached_stays_until_it_says_something_else(store, resumed):
    """Whatever comes first after a resume: a message, test alone, a stop before it trains, an end that no trainer said."""
    run_id, token = resumed
    assert place(store, run_id) == (8, 4.0)
    store.append(run_id, Message("preparing"), token)
    assert place(store, run_id) == (8, 4.0)
    store.append(run_id, EpochMetrics(6, 3, {"test/a/loss": 2.0}), token)  # before it has said where it starts
    assert place(store, run_id) == (8, 4.0)
    store.append(run_id, RunStarted(8, {}, 8, 4.0), token)
    store.append(run_id, EpochMetrics(6, 3, {"test/a/loss": 2.0}), token)
    run = store.get(run_id)
    assert (run.step, run.epoch, run.progress) == (8, 4.0, 1.0)
    store.append(run_id, StepScalars(9, 4.5, {"train/a/loss": 1.0}), token)
    store.append(run_id, Message("now"), token)
    assert place(store, run_id) == (9, 4.5)


@pytest.mark.parametrize("end", ["stopped", "interrupted", "failed"])
def test_an_attempt_that_never_came_to_train_takes_nothing_back(store, resumed, end):
    run_id, token = resumed
    before = store.get(run_id).steps_per_second
    if end == "failed":
        store.end(run_id, RunStatus.FAILED, None, token)
    else:
        store.append(run_id, RunEnded(end, 6, 3.0, 0.0, 1.0), token)
    run = store.get(run_id)
    assert (run.status, run.step, run.epoch, run.steps_per_second) == (end, 8, 4.0, before)


def test_committing_what_waited_is_no_sign_of_life(store, config, monkeypatch):
    run = store.create(config(), columns=held_by_us("cpu"))
    token = store.get(run.id).holder
    store.append(run.id, RunStarted(8, {}), token)
    store.append(run.id, StepScalars(1, 0.5, {"train/a/loss": 1.0}), token)  # it waits
    monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 0.0)
    assert heartbeat(store, run.id, token, progress_at=5.0)
    seen = []
    real = store.database.write

    @contextmanager
    def watched():
        with real() as connection:
            yield connection
        seen.append(store.get(run.id).progress_at)

    monkeypatch.setattr(store.database, "write", watched)
    store._pending[run.id, token].take(StepScalars(2, 1.0, {"train/a/loss": 1.0}))
    assert heartbeat(store, run.id, token, progress_at=5.0)
    assert set(seen) == {5.0}  # at no moment did it look alive
    assert store.scalars(run.id)["step"].tolist() == [1, 2]
    store.append(run.id, StepScalars(3, 1.5, {"train/a/loss": 1.0}), token)  # the trainer itself
    assert store.get(run.id).progress_at > 1e9


def test_an_end_of_one_that_was_given_up_changes_nothing_of_its_successor(store, config, monkeypatch):
    """Also where the run is taken again between any two transactions of the one that ends."""
    run = store.create(config(), columns=held_by_us("cpu"))
    old = store.get(run.id).holder
    store.append(run.id, RunStarted(8, {}), old)
    real = store.database.write
    taken = []

    @contextmanager
    def write():
        if not taken:
            with real() as connection:
                connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(owner_token="new"))
            taken.append(True)
        with real() as connection:
            yield connection
            taken.append(connection)

    monkeypatch.setattr(store.database, "write", write)
    lines = len(store.log(run.id))
    with pytest.raises(RunTakenError):
        store.end(run.id, RunStatus.FAILED, {"kind": "bug", "message": "m", "cure": "c", "trace": "t"}, old, "failed: m")
    assert (store.get(run.id).status, store.get(run.id).failure, len(store.log(run.id))) == ("running", None, lines)
    taken[:] = [True]
    store.end(run.id, RunStatus.FAILED, {"kind": "bug", "message": "m", "cure": "c", "trace": "t"}, "new", "failed: m")
    assert len(taken) == 2  # one transaction: nobody can come in between
    assert (store.get(run.id).status, store.log(run.id)[-1].text) == ("failed", "failed: m")
