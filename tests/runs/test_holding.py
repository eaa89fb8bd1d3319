"""Who may write of a run: tokens, heartbeats, giving up."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from mtl_core.errors import NotPossibleError, RunTakenError
from mtl_core.events import EpochMetrics, StepScalars
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.claims import claim, give_up, heartbeat, held_by_us, is_asked, is_held_with, take_controls
from mtl_core.runs.run_record import HUNG_SECONDS
from mtl_core.runs.sql import event_writer, schema

WAIT = 30  # seconds; an event that has not come by then never will


def change(store, run_id, **values):
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(**values))


@pytest.fixture
def hung(store, config):
    """A run whose process lives and whose trainer has been silent for too long; its token."""
    run = store.create(config(), columns=held_by_us("cpu"))
    long_ago = time.time() - HUNG_SECONDS - 1
    change(store, run.id, started_at=long_ago, progress_at=long_ago)
    return store.get(run.id)


def test_who_was_given_up_may_write_nothing_more(store, config, hung):
    give_up(store, hung.id)
    resume_and_fork.resume(store, hung.id)
    successor = claim(store, hung.id, "cpu")
    store.append(hung.id, EpochMetrics(1, 1, {"val/a/loss": 1.0}), successor)
    with pytest.raises(RunTakenError, match=f"run {hung.id} is no longer held here"):
        store.append(hung.id, EpochMetrics(1, 1, {"val/a/loss": 9.0}), hung.holder)
    assert heartbeat(store, hung.id, hung.holder) is False
    assert heartbeat(store, hung.id, successor) is True
    assert (is_held_with(store, hung.id, hung.holder), is_held_with(store, hung.id, successor)) == (False, True)
    assert list(store.scalars(hung.id)["value"]) == [1.0]


def test_step_scalars_that_wait_are_refused_when_they_are_due(store, hung, monkeypatch):
    monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 1e9)
    store.append(hung.id, StepScalars(1, 0.5, {"train/a/loss": 9.0}), hung.holder)
    give_up(store, hung.id)
    monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 0.0)
    with pytest.raises(RunTakenError):
        heartbeat(store, hung.id, hung.holder)
    assert len(store.scalars(hung.id)) == 0


def test_a_run_that_hangs_is_given_up_as_interrupted_when_it_was_last_heard_of(store, hung):
    given_up = give_up(store, hung.id)
    assert (given_up.status, given_up.finished_at) == ("interrupted", hung.progress_at)
    assert given_up.holder == ""
    assert [line.text.split(":")[0] for line in store.log(hung.id) if line.level == "error"] == ["interrupted at epoch 0"]
    with pytest.raises(NotPossibleError, match="is interrupted, so no process trains it"):
        give_up(store, hung.id)


def test_a_run_that_was_heard_of_is_not_given_up(store, config):
    run = store.create(config(), columns=held_by_us("cpu"))
    with pytest.raises(NotPossibleError, match=f"run {run.id} made progress 0 s ago, so it is not hung; stop it instead"):
        give_up(store, run.id)
    waiting = store.create(config())
    with pytest.raises(NotPossibleError, match=f"run {waiting.id} is queued, so no process trains it"):
        give_up(store, waiting.id)
    assert store.get(run.id).status == "running"


def test_a_paused_run_is_never_hung(store, config, hung):
    change(store, hung.id, status="paused")
    with pytest.raises(NotPossibleError, match="not hung"):
        give_up(store, hung.id)


def test_what_was_asked_of_an_earlier_attempt_is_not_meant_for_the_next(store, config, hung):
    actions.stop(store, hung.id)
    give_up(store, hung.id)
    assert is_asked(store, hung.id)
    resume_and_fork.resume(store, hung.id)
    assert claim(store, hung.id, "cpu")
    assert not is_asked(store, hung.id)
    assert take_controls(store, hung.id) == []
    assert store.get(hung.id).status == "running"


def test_who_was_given_up_takes_nothing_that_is_asked_of_its_successor(store, config, hung):
    give_up(store, hung.id)
    resume_and_fork.resume(store, hung.id)
    successor = claim(store, hung.id, "cpu")
    actions.stop(store, hung.id)
    assert take_controls(store, hung.id, hung.holder) == []
    assert [record.kind for record in take_controls(store, hung.id, successor)] == ["stop"]


def test_a_claim_marks_requests_that_were_left_as_applied(store, config):
    run = store.create(config())
    with store.database.write() as connection:
        connection.execute(schema.controls.insert().values(run_id=run.id, kind="stop", created_at=0.0))
    assert claim(store, run.id, "cpu")
    assert take_controls(store, run.id) == []


def test_one_request_id_makes_one_run(store, config):
    first = store.create(config("a"), request_id="click 1")
    assert store.create(config("b"), request_id="click 1").id == first.id
    assert store.create(config("b"), request_id="click 2").id != first.id
    assert [store.create(config()).id == first.id for _ in range(2)] == [False, False]  # without one, every call makes a run
    assert len(list((store.home / "runs").iterdir())) == len(store.runs()) == 4


def test_a_long_request_id_fits_its_column_and_makes_one_run(store, config):
    """PostgreSQL refuses what is longer than a column; SQLite does not."""
    ways = [f"drop.{store.create(config()).id}.{'a task with a long name ' * 2}.12.{way}" for way in "01"]
    first, second = (store.create(config(), request_id=way) for way in ways)
    assert (store.create(config(), request_id=ways[0]).id, first.id == second.id) == (first.id, False)
    with store.database.read() as connection:
        longest = connection.execute(select(func.max(func.length(schema.runs.c.request_id)))).scalar()
    assert longest <= schema.runs.c.request_id.type.length


def test_one_request_id_makes_one_run_from_two_threads_at_once(store, config):
    """Both have seen that there is none yet before either writes."""
    together = threading.Barrier(2)

    def create():
        return store.create(config(), request_id="click", fill=lambda folder: together.wait(WAIT)).id

    with ThreadPoolExecutor(2) as pool:
        ids = {future.result() for future in [pool.submit(create) for _ in range(2)]}
    assert ids == {run.id for run in store.runs()}
    assert len(ids) == 1
    assert [path.name for path in (store.home / "runs").iterdir()] == list(ids)
