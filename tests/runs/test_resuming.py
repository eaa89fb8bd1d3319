"""Runs that go on: resumed where they stand, or trained for more epochs."""

import time

import pytest
from sqlalchemy import update

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, NotPossibleError, StoreError
from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.claims import claim, held_by_us
from mtl_core.runs.sql import schema


@pytest.fixture
def clock(monkeypatch):
    """Seconds since 1970 as the test wants them."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def change(store, run_id, **values):
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(**values))


@pytest.mark.parametrize("status", ["stopped", "interrupted", "failed"])
def test_a_run_that_ended_early_waits_again_where_it_stands(store, ended, status):
    run = ended(status)
    again = resume_and_fork.resume(store, run.id)
    assert (again.status, again.queue_position, again.step, again.failure, again.finished_at) == ("queued", 1, 6, None, None)
    assert store.log(run.id)[-1].text == f"resumed after it was {status}"
    assert claim(store, run.id, "cpu")


def test_it_waits_behind_those_who_wait_already(store, ended, config):
    run = ended()
    first = store.create(config())
    resume_and_fork.resume(store, run.id)
    assert [each.id for each in store.queued()] == [first.id, run.id]


@pytest.mark.parametrize("status", ["queued", "running", "pausing", "paused", "stopping"])
def test_a_run_that_has_not_ended_is_not_resumed(store, config, status):
    run = store.create(config(), columns={} if status == "queued" else {**held_by_us("cpu"), "status": status})
    with pytest.raises(NotPossibleError, match=f"run {run.id} is {status}; only a run that has ended can be resumed or trained on"):
        resume_and_fork.resume(store, run.id)
    with pytest.raises(NotPossibleError, match="only a run that has ended"):
        resume_and_fork.train_on(store, run.id, 99)
    assert (store.get(run.id).status, store.get(run.id).epochs) == (status, 2)


def test_a_finished_run_is_not_resumed_and_says_how_to_go_on(store, ended):
    run = ended("finished")
    with pytest.raises(NotPossibleError, match="is finished; to continue it, train it on to more than its 2 epochs"):
        resume_and_fork.resume(store, run.id)


def test_a_second_click_resumes_nothing_twice(store, ended):
    run = ended()
    resume_and_fork.resume(store, run.id)
    with pytest.raises(NotPossibleError, match="is queued; only a run that has ended"):
        resume_and_fork.resume(store, run.id)


def test_who_trains_it_himself_holds_it_at_once(store, ended):
    run, held = ended(), held_by_us("cpu")
    again = resume_and_fork.resume(store, run.id, held)
    assert (again.status, again.holder, store.queued()) == ("running", held["owner_token"], [])
    assert claim(store, run.id, "cpu", alone=False) == ""
    store.append(run.id, EpochMetrics(8, 2, {"val/a/loss": 0.5}), held["owner_token"])


def test_an_archived_run_that_goes_on_is_listed_again(store, ended):
    run = ended()
    actions.archive(store, run.id)
    assert resume_and_fork.resume(store, run.id).archived is False


def test_time_adds_up_over_attempts_and_the_curves_go_on(store, config, clock):
    run = store.create(config(), columns=held_by_us("cpu"))
    clock[0] = 1060.0
    store.append(run.id, RunStarted(8, {}), run.holder)
    store.append(run.id, EpochMetrics(4, 1, {"val/a/loss": 1.0}), run.holder)
    store.append(run.id, RunEnded("stopped", 4, 1.0, 1.0, 60.0), run.holder)
    clock[0] = 9000.0
    assert store.get(run.id).seconds == 60.0
    assert resume_and_fork.resume(store, run.id).seconds == 60.0
    token = claim(store, run.id, "cpu")
    clock[0] = 9005.0
    store.append(run.id, EpochMetrics(8, 2, {"val/a/loss": 0.5}), token)
    assert list(store.scalars(run.id)["wall_time"]) == [60.0, 65.0]
    assert store.get(run.id).seconds == 65.0
    store.append(run.id, RunEnded("stopped", 8, 2.0, 1.0, 5.0), token)
    clock[0] = 20000.0
    resume_and_fork.resume(store, run.id, held_by_us("cpu"))
    clock[0] = 20001.0
    assert store.get(run.id).seconds == 66.0


@pytest.mark.parametrize("status", ["stopped", "interrupted", "failed", "finished"])
def test_training_on_makes_the_run_longer(store, ended, status):
    run = ended(status)
    longer = resume_and_fork.train_on(store, run.id, 4)
    assert (longer.status, longer.epochs, longer.steps_total, longer.progress) == ("queued", 4, 16, 6 / 16)
    assert RunConfig.from_file(store.folder(run.id) / "config.yaml") == longer.config == run.config.model_copy(update={"epochs": 4})
    assert list(store.scalars(run.id)["key"]) == ["val/a/loss"]  # test is measured anew at the new end
    assert store.log(run.id)[-1].text == "trained on to 4 epochs"


@pytest.mark.parametrize("epochs", [-1, 0, 1, 2])
def test_training_on_to_fewer_or_as_many_epochs_is_refused(store, ended, epochs):
    run = ended("finished")
    with pytest.raises(ConfigError, match=f"epochs: expected more than the run's 2, found {epochs}; give the new total"):
        resume_and_fork.train_on(store, run.id, epochs)
    assert store.get(run.id) == run
    assert len(store.scalars(run.id)) == 2


def test_training_on_beyond_what_a_config_allows_is_refused(store, ended):
    run = ended("finished")
    with pytest.raises(ConfigError, match="epochs"):
        resume_and_fork.train_on(store, run.id, 10_001)
    assert store.get(run.id) == run


def test_a_config_file_that_cannot_be_written_leaves_the_run_as_it_was(store, ended, monkeypatch):
    run = ended("finished")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resume_and_fork, "write_text", full)
    with pytest.raises(StoreError, match=r"cannot write '.*config.yaml': No space left on device. The run is unchanged"):
        resume_and_fork.train_on(store, run.id, 4)
    assert store.get(run.id) == run
    assert len(store.scalars(run.id)) == 2
