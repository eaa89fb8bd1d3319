"""The table of results per run: written at the run's end, equal to what the scalars say, made again for old runs, gone with the run."""

import sqlite3
from dataclasses import asdict

from sqlalchemy import select

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.jobs import execute
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.run_results import Result, results_of
from mtl_core.runs.sql import schema
from mtl_core.runs.store import open_store

METRICS = {"accuracy": {"higher_is_better": True}, "loss": {"higher_is_better": False}}
INFO = {"tasks": {"digit": {"main_metric": "accuracy", "metrics": METRICS}, "ink": {"main_metric": "loss", "metrics": METRICS}}}
VALUES = [(0.5, 0.9, 0.3), (0.7, 0.8, 0.5), (0.6, 0.2, 0.4)]  # per epoch: digit's accuracy, ink's loss, score


def trained(store, config):
    run = store.create(config())
    store.append(run.id, RunStarted(3, INFO))
    for epoch, (accuracy, loss, score) in enumerate(VALUES, 1):
        store.append(run.id, EpochMetrics(epoch, epoch, {"val/digit/accuracy": accuracy, "val/ink/loss": loss, "selection/score": score}))
    store.append(run.id, EpochMetrics(3, 2, {"test/digit/accuracy": 0.65}))
    return run


def by_key(results):
    return sorted(results, key=lambda each: (each.task, each.metric, each.split))


def rows(store):
    with store.database.read() as connection:
        return [tuple(row) for row in connection.execute(select(schema.run_results))]


EXPECTED = [
    Result("digit", "accuracy", "test", 0.65, 0.65, 0.65, 2, 2, True),
    Result("digit", "accuracy", "val", 0.7, 0.6, 0.7, 2, 2, True),
    Result("ink", "loss", "val", 0.2, 0.2, 0.8, 3, 2, False),
]


def test_written_at_the_end_with_best_last_and_chosen_values(store, config):
    run = trained(store, config)
    assert rows(store) == []
    assert by_key(results_of(store.database, [run.id])[run.id]) == EXPECTED
    assert rows(store) == []  # what a run that has not ended reached so far is not kept
    store.append(run.id, RunEnded("finished", 3, 3.0, 8.0, 0.5))
    assert sorted(rows(store)) == [(run.id, *asdict(each).values()) for each in EXPECTED]
    assert results_of(store.database, [run.id]) == {run.id: EXPECTED}


def test_made_again_for_a_run_that_ended_without(store, config):
    run = trained(store, config)
    store.append(run.id, RunEnded("finished", 3, 3.0, 8.0, 0.5))
    connection = sqlite3.connect(store.home / "store.sqlite")
    connection.execute("delete from run_results")
    connection.commit()
    connection.close()
    assert by_key(results_of(store.database, [run.id])[run.id]) == EXPECTED
    assert sorted(rows(store)) == [(run.id, *asdict(each).values()) for each in EXPECTED]


def test_gone_with_the_run_and_while_it_trains_again(store, config, engine):
    run = execute(store, store.create(config()).id)
    assert [result.chosen for result in results_of(store.database, [run.id])[run.id] if result.split == "val"] == [0.8, 1.0]
    resume_and_fork.train_on(store, run.id, 4)
    assert rows(store) == []
    actions.stop(store, run.id)
    actions.delete_run(store, run.id)
    assert (rows(store), results_of(store.database, [run.id])) == ([], {run.id: []})


def test_a_run_that_measured_nothing_has_no_results(store, config):
    run = store.create(config())
    assert results_of(store.database, [run.id, "20260101-000000-0000"]) == {run.id: [], "20260101-000000-0000": []}


def test_a_store_of_version_2_gets_the_new_tables(home, config):
    run = trained(open_store(home), config)
    connection = sqlite3.connect(home / "store.sqlite")
    for table in ("run_results", "study_runs", "studies"):
        connection.execute(f"drop table {table}")
    connection.execute("update meta set value = '2' where key = 'schema_version'")
    connection.commit()
    connection.close()
    opened = process_slot("databases").pop(str((home / "store.sqlite").resolve()))
    opened["writer"].dispose()
    opened["reader"].dispose()
    store = open_store(home)
    store.append(run.id, RunEnded("finished", 3, 3.0, 8.0, 0.5))
    assert results_of(store.database, [run.id]) == {run.id: EXPECTED}
