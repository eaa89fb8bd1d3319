"""The alarm of a task that does worse in a shared network than alone, at the same epoch."""

import math

import numpy as np
import pytest
import scipy.stats

from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs.claims import claim
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import answer_of
from mtl_core.studies.transfer_alarm import band_of, outside, transfer_alarms

ALONE = [{1: 0.5, 2: 0.70, 3: 0.80}, {1: 0.5, 2: 0.72, 3: 0.81}, {1: 0.5, 2: 0.74, 3: 0.82}]
METRICS = {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": True}}


def test_the_band_is_students_prediction_interval():
    values = np.random.default_rng(0).normal(0.8, 0.02, 5)
    expected = scipy.stats.t.interval(0.95, 4, loc=values.mean(), scale=values.std(ddof=1) * np.sqrt(1 + 1 / 5))
    assert band_of(values) == pytest.approx(expected, rel=1e-12)


def test_the_band_holds_one_further_value_in_95_of_100_cases():
    drawn = np.random.default_rng(1).normal(size=(4000, 5))
    held = [low <= row[-1] <= high for row in drawn for low, high in [band_of(row[:-1])]]
    assert np.mean(held) == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 4000))


@pytest.mark.parametrize(
    ("curve", "epoch"),
    [
        ({1: 0.5, 2: 0.2, 3: 0.3}, 3),
        ({1: 0.5, 2: 0.2, 3: 0.3, 4: 0.9}, 3),  # epoch 4 has no band yet
        ({1: 0.5, 2: 0.72, 3: 0.3}, None),  # one epoch alone
        ({1: 0.5, 2: 0.2, 3: 0.81}, None),  # it has recovered
        ({1: 0.5, 2: 0.95, 3: 0.99}, None),  # better than alone
        ({3: 0.3}, None),
        ({}, None),
    ],
)
def test_two_epochs_in_a_row_on_the_worse_side(curve, epoch):
    found = outside(curve, ALONE, True)
    assert (found and found[0]) == epoch
    mirrored = outside({key: -value for key, value in curve.items()}, [{key: -value for key, value in each.items()} for each in ALONE], False)
    assert (mirrored and mirrored[0]) == epoch
    assert outside(curve, ALONE[:2], True) is None  # too few networks for a band


def test_networks_that_are_equal_give_no_band():
    """Three networks that find the same number of images: one image less is no alarm."""
    alone = [{1: 0.7, 2: 0.8, 3: 0.9}] * 3
    assert band_of([0.8, 0.8, 0.8]) == (-math.inf, math.inf)
    assert outside({1: 0.69, 2: 0.79, 3: 0.89}, alone, True) is None


def begin(store, run):
    claim(store, run.id, "cpu", alone=False)
    tasks = {task: {"main_metric": "accuracy", "metrics": METRICS} for task in run.config.tasks}
    store.append(run.id, RunStarted(6, {"tasks": tasks, "precision": "fp32", "layout": "contiguous", "device": "cpu"}))
    return tasks


def test_only_a_run_that_trains_is_compared_with_the_same_task_at_the_same_epoch(store, base):
    made = studies.create(store, studies.draft("share", base, {}, range(3)))
    studies.start(store, made.id)
    for (cell, seed), run in studies.runs_of(store, made).items():
        if cell == "joint" and seed != 1:
            continue
        for epoch in (1, 2, 3):
            values = {
                f"val/{task}/accuracy": (0.2 if cell == "joint" and task == "slant" else ALONE[seed][epoch])
                for task in (begin(store, run) if epoch == 1 else run.config.tasks)
            }
            store.append(run.id, EpochMetrics(2 * epoch, epoch, values))
        if cell != "joint":
            store.append(run.id, RunEnded("finished", 6, 1.0, 8.0, 1.0))
    joint = studies.runs_of(store, made)["joint", 1]
    (alarm,) = transfer_alarms(store, answer_of(store, made))
    assert (alarm.run_id, alarm.seed, alarm.task, alarm.epoch, alarm.value, alarm.baselines) == (joint.id, 1, "slant", 3, 0.2, 3)
    assert (alarm.low, alarm.high) == band_of([each[3] for each in ALONE])
    store.append(joint.id, RunEnded("finished", 6, 1.0, 8.0, 1.0))
    assert transfer_alarms(store, answer_of(store, made)) == []
