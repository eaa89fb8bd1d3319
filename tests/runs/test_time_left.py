"""The time that a run has still to go: measured before it is told, and without its pauses."""

import time
from dataclasses import replace

import pytest
from sqlalchemy import update

from mtl_core.events import Paused, Resumed, RunStarted
from mtl_core.runs.claims import claim
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus

INFO = {"device": "cpu", "tasks": {}}


@pytest.fixture
def clock(monkeypatch):
    """Seconds since 1970, set by the test."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


@pytest.fixture
def running(store, config):
    run = store.create(config())
    claim(store, run.id, "cpu")
    store.append(run.id, RunStarted(100, INFO))
    return store.get(run.id)


@pytest.mark.parametrize(
    ("step", "seconds", "left"), [(0, 60, None), (1, 4.9, None), (9, 4.9, None), (10, 2.0, 18.0), (1, 5.0, 495.0), (50, 25.0, 25.0), (100, 50.0, 0.0)]
)
def test_told_after_ten_steps_or_five_seconds(running, clock, step, seconds, left):
    run = replace(running, step=step, training_started_at=1000.0 - seconds)
    assert run.eta_seconds == (None if left is None else pytest.approx(left))


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.PAUSED, RunStatus.FINISHED, RunStatus.STOPPED, RunStatus.FAILED])
def test_only_of_a_run_that_trains(running, clock, status):
    assert replace(running, status=status, step=50, training_started_at=900.0).eta_seconds is None


def test_steps_of_an_earlier_attempt_are_no_pace(running, clock):
    resumed = replace(running, step=60, resumed_step=40, training_started_at=990.0)
    assert resumed.eta_seconds == pytest.approx(20.0)  # 20 steps in 10 s, 40 to go


def test_a_pause_is_left_out(store, running, clock):
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == running.id).values(training_started_at=900.0, step=40))
    assert store.get(running.id).eta_seconds == pytest.approx(150.0)  # 40 steps in 100 s
    store.append(running.id, Paused(40, 0.8))
    clock[0] = 5000.0  # more than an hour later
    assert store.get(running.id).eta_seconds is None
    store.append(running.id, Resumed(40, 0.8))
    assert store.get(running.id).eta_seconds is None  # measured anew
    clock[0] = 5010.0
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == running.id).values(step=60))
    assert store.get(running.id).eta_seconds == pytest.approx(20.0)
