"""The table of results per run: written with every epoch, equal to what the scalars say, gone with the run."""

import math
import random

from sqlalchemy import select

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.jobs import execute
from mtl_core.runs.run_results import Result, results_of
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.result_rows import compute_results

METRICS = {"accuracy": {"higher_is_better": True}, "loss": {"higher_is_better": False}}
INFO = {"tasks": {"digit": {"main_metric": "accuracy", "metrics": METRICS}, "ink": {"main_metric": "loss", "metrics": METRICS}}}
VALUES = [(0.5, 0.9, 0.3), (0.7, 0.8, 0.5), (0.6, 0.2, 0.5)]  # per epoch: digit's accuracy, ink's loss, score


def trained(store, config):
    run = store.create(config())
    store.append(run.id, RunStarted(3, INFO))
    for epoch, (accuracy, loss, score) in enumerate(VALUES, 1):
        store.append(run.id, EpochMetrics(epoch, epoch, {"val/digit/accuracy": accuracy, "val/ink/loss": loss, "selection/score": score}))
    store.append(run.id, EpochMetrics(3, 2, {"test/digit/accuracy": 0.65}))
    return run


def stored(store):
    """(run, key, best, last, chosen, best_epoch, chosen_epoch) of every row."""
    keys, results = schema.scalar_keys, schema.run_results
    columns = (results.c.run, keys.c.key, results.c.best, results.c.last, results.c.chosen, results.c.best_epoch, results.c.chosen_epoch)
    with store.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).join(keys, keys.c.number == results.c.key).order_by(keys.c.key))]


EXPECTED = [
    Result("digit", "accuracy", "test", 0.65, 0.65, 0.65, 2, 2, True),
    Result("digit", "accuracy", "val", 0.7, 0.6, 0.7, 2, 2, True),
    Result("ink", "loss", "val", 0.2, 0.2, 0.8, 3, 2, False),
]


ROWS = [
    (1, "selection/score", 0.5, 0.5, None, 2, None),
    (1, "test/digit/accuracy", 0.65, 0.65, 0.65, 2, 2),
    (1, "val/digit/accuracy", 0.7, 0.6, 0.7, 2, 2),
    (1, "val/ink/loss", 0.2, 0.2, 0.8, 3, 2),
]


def test_written_with_each_epoch_with_best_last_and_chosen_values(store, config):
    run = trained(store, config)
    assert stored(store) == ROWS
    assert results_of(store.database, [run.id]) == {run.id: EXPECTED}
    store.append(run.id, RunEnded("finished", 3, 3.0, 8.0, 0.5))
    assert stored(store) == ROWS
    assert results_of(store.database, [run.id]) == {run.id: EXPECTED}


def test_equal_after_every_epoch_to_what_is_computed_from_all_scalars(store, config):
    """With values that are equal, missing or infinite, a score that comes later and one that is no number, in random order."""
    chance = random.Random(0)
    run = store.create(config())
    store.append(run.id, RunStarted(30, INFO))
    odd = [math.nan, math.inf, -math.inf, 0.5, 0.5, 0.25, 0.75, 1.0]
    for epoch in range(1, 31):
        values = {
            key: chance.choice(odd) for key in ("val/digit/accuracy", "val/digit/loss", "val/ink/loss", "selection/score") if chance.random() < 0.7
        }
        store.append(run.id, EpochMetrics(epoch, epoch, values))
        running = stored(store)
        with store.database.write() as connection:
            compute_results(connection, 1, INFO)
        assert stored(store) == running, epoch


def test_a_resumed_run_goes_on_with_what_it_has_reached(store, config):
    """A new process repeats the last epoch with other values: what they replaced counts no longer when the run has ended."""
    run = trained(store, config)
    store._pending.clear()  # as in a new process
    store.append(run.id, EpochMetrics(3, 3, {"val/digit/accuracy": 0.3, "val/ink/loss": 0.6, "selection/score": 0.45}))
    assert [row[2:4] for row in stored(store)][2:] == [(0.7, 0.3), (0.2, 0.6)]  # the loss of 0.2 is gone, which only all scalars tell
    store.append(run.id, RunEnded("finished", 3, 3.0, 8.0, 0.5))
    assert [row[2:] for row in stored(store)][2:] == [(0.7, 0.3, 0.7, 2, 2), (0.6, 0.6, 0.8, 3, 2)]


def test_test_results_are_gone_while_the_run_trains_on(store, config, engine):
    run = execute(store, store.create(config()).id)
    assert [result.chosen for result in results_of(store.database, [run.id])[run.id] if result.split == "val"] == [0.8, 1.0]
    assert store.scalars(run.id)["key"].str.startswith("test/").sum() == 2
    resume_and_fork.train_on(store, run.id, 4)
    assert [result.split for result in results_of(store.database, [run.id])[run.id]] == ["val", "val"]
    assert store.scalars(run.id)["key"].str.startswith("test/").sum() == 0
    actions.stop(store, run.id)
    actions.delete_run(store, run.id)
    assert (stored(store), results_of(store.database, [run.id])) == ([], {run.id: []})
    with store.database.read() as connection:
        assert [connection.execute(select(table)).all() for table in (schema.points, schema.run_facts)] == [[], []]


def test_a_run_that_measured_nothing_has_no_results(store, config):
    run = store.create(config())
    assert results_of(store.database, [run.id, "20260101-000000-0000"]) == {run.id: [], "20260101-000000-0000": []}
