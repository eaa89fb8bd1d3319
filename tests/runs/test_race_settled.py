"""All runs of a race are computed in the same precision and layout, whoever begins first and whatever each of them measured."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
import yaml
from sqlalchemy import update

from mtl_core.runs import method_race, resume_and_fork
from mtl_core.runs.jobs import execute
from mtl_core.runs.sql import schema
from mtl_core.training.execution import Execution

METHODS = ["fixed", "uncertainty", "pcgrad"]
LEFT_OPEN = {"precision": "auto", "layout": "auto"}
ANSWERS = [("bf16", "channels_last"), ("fp32", "channels_last"), ("bf16", "contiguous"), ("fp32", "contiguous")]


@pytest.fixture
def queued(store, config):
    return method_race.start(store, config("base", tasks={"digit": {}, "ink": {}}, **LEFT_OPEN), METHODS)


def said(store, race_id):
    return [(run.config.precision, run.config.layout) for run in method_race.runs_of(store, race_id)]


def with_info(store, run, **info):
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run.id).values(info=json.dumps(info)))


def test_the_first_answer_is_written_into_every_config(store, queued):
    first, second, third = method_race.runs_of(store, queued)
    assert method_race.settle(store, second.id, "bf16", "channels_last") == ("bf16", "channels_last")
    assert said(store, queued) == [("bf16", "channels_last")] * 3
    assert method_race.settle(store, first.id, "fp32", "contiguous") == ("bf16", "channels_last")
    for run in (first, second, third):
        written = yaml.safe_load((store.folder(run.id) / "config.yaml").read_text())
        assert (written["precision"], written["layout"]) == ("bf16", "channels_last")
    assert f"all runs of {queued} are computed in bf16, channels_last" in [line.text for line in store.log(second.id)]


def test_a_run_of_the_race_with_a_part_that_is_not_installed_stops_no_other(store, queued):
    first, second, _ = method_race.runs_of(store, queued)
    config = first.config.to_dict() | {"augmentation": first.config.to_dict()["augmentation"] | {"no_longer_installed": {"share": 1}}}
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == first.id).values(config=json.dumps(config)))
    assert method_race.settle(store, second.id, "fp32", "contiguous") == ("fp32", "contiguous")
    assert yaml.safe_load((store.folder(first.id) / "config.yaml").read_text())["augmentation"]["no_longer_installed"] == {"share": 1}


def test_begun_at_once_they_agree(store, queued):
    runs, together = method_race.runs_of(store, queued), threading.Barrier(len(METHODS))

    def begin(place):
        together.wait()
        return method_race.settle(store, runs[place].id, *ANSWERS[place])

    with ThreadPoolExecutor(len(runs)) as pool:
        found = list(pool.map(begin, range(len(runs))))
    assert len(set(found)) == 1
    assert said(store, queued) == found


def test_what_a_config_states_stays_and_a_run_of_no_race_is_left_alone(store, config):
    started = method_race.start(store, config("base", tasks={"digit": {}, "ink": {}}, precision="fp32", layout="auto"), METHODS)
    assert method_race.settle(store, method_race.runs_of(store, started)[0].id, "fp32", "channels_last") == ("fp32", "channels_last")
    assert said(store, started) == [("fp32", "channels_last")] * 3
    alone = store.create(config("alone", **LEFT_OPEN))
    assert method_race.settle(store, alone.id, "bf16", "contiguous") == ("bf16", "contiguous")
    assert store.get(alone.id).config == alone.config


def test_a_race_of_an_older_version_goes_on_as_its_first_run_began(store, queued):
    first, _, third = method_race.runs_of(store, queued)
    with_info(store, first, device="cpu", precision="bf16", layout="channels_last")
    assert method_race.settle(store, third.id, "fp32", "contiguous") == ("bf16", "channels_last")


def test_what_a_run_was_computed_with(store, queued):
    first, second, _ = method_race.runs_of(store, queued)
    with_info(store, first, device="cpu", precision="bf16", layout="channels_last")
    assert store.get(first.id).computed == {"device": "cpu", "precision": "bf16", "layout": "channels_last"}
    assert second.computed == {"device": "cpu", **LEFT_OPEN}
    compared = second.config.model_copy(update=store.get(first.id).computed)
    assert (compared.precision, compared.layout) == ("bf16", "channels_last")


def test_runs_that_measure_different_answers_at_once_train_alike(store, config, shared_cache, monkeypatch, one_thread):
    store.cache = shared_cache
    turn, together = count(), threading.Barrier(2)

    def measured(config, device, *_args):
        together.wait(timeout=60)
        return Execution(device, *ANSWERS[next(turn)])

    monkeypatch.setattr("mtl_core.training.build.choose", measured)
    settings = {"tasks": {"digit": {}, "ink": {}}, "backbone": {"name": "mlp", "hidden": [8]}, "epochs": 1, **LEFT_OPEN}
    started = method_race.start(store, config("base", **settings), ["fixed", "pcgrad"])
    with ThreadPoolExecutor(2) as pool:
        runs = list(pool.map(lambda run: execute(store, run.id), method_race.runs_of(store, started)))
    assert [str(run.status) for run in runs] == ["finished", "finished"], [run.failure for run in runs]
    assert runs[0].computed == runs[1].computed
    assert {(run.config.precision, run.config.layout) for run in runs} == {(runs[0].info["precision"], runs[0].info["layout"])}
    forked = resume_and_fork.fork(store, runs[0].id, 1, resume_and_fork.fork_config(runs[0], 1, ["epochs=2"]))
    assert (forked.config.precision, forked.config.layout) == (runs[0].info["precision"], runs[0].info["layout"])
