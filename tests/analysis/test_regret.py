"""Checkpoint regret on a course written by hand."""

import numpy as np
import pandas as pd
import pytest

from mtl_core.analysis.regret import chosen_epoch, regrets

TASKS = {
    "digit": {"main_metric": "accuracy", "metrics": {"accuracy": {"higher_is_better": True}}},
    "slant": {"main_metric": "mae", "metrics": {"mae": {"higher_is_better": False}}},
    "never": {"main_metric": "mae", "metrics": {"mae": {"higher_is_better": False}}},
}


def frame():
    courses = {"val/digit/accuracy": [0.5, 0.8, 0.8, 0.6], "val/slant/mae": [4.0, 3.0, 2.5, 2.0], "selection/score": [0.1, 0.5, 0.6, 0.4]}
    rows = [(10 * epoch, float(epoch), key, value) for key, values in courses.items() for epoch, value in enumerate(values, 1)]
    rows.append((10, 1.0, "val/digit/accuracy", np.nan))
    return pd.DataFrame(rows, columns=["step", "epoch", "key", "value"])


def test_what_the_chosen_epoch_costs():
    assert chosen_epoch(frame()) == 3
    digit, slant = regrets(frame(), TASKS)
    assert (digit.best_epoch, digit.cost, digit.share) == (2, 0.0, 0.0)
    assert (slant.best_epoch, slant.best, slant.chosen, slant.cost) == (4, 2.0, 2.5, 0.5)
    assert slant.share == pytest.approx(25.0)


def test_another_epoch_and_no_score():
    assert [found.cost for found in regrets(frame(), TASKS, epoch=4)] == [pytest.approx(0.2), 0.0]
    assert regrets(frame().iloc[:0], TASKS) == []
