"""What is drawn or printed around a mean stays within the metric's range."""

import math

import numpy as np
import pandas as pd
import pytest

from mtl_core.analysis.metric_ranges import UNBOUNDED, cut_band, range_of, range_of_scalar
from mtl_core.studies.paper_table import number
from mtl_core.studies.study_values import Spread, TaskMetric, spreads_of
from mtl_core.tasks import TASK_KINDS
from ui.compare.compare_groups import Group, curve_of

UNKNOWN = {"psnr"}  # has no range


@pytest.mark.parametrize("kind", list(TASK_KINDS))
def test_the_range_of_each_metric_is_known(kind):
    for metric in TASK_KINDS.load(kind).metrics:
        low, high = range_of(metric.name, "" if metric.unit == "unit" else metric.unit)
        assert (low, high) != UNBOUNDED or metric.name in UNKNOWN, metric
        assert not metric.unit or metric.higher_is_better or low == 0, metric  # an error has a unit and is 0 at best
        assert low < high


def test_a_name_of_another_packages_metric_has_no_range():
    assert (
        range_of("accuracy", "points") == range_of("my_metric") == range_of_scalar("optimizer/lr") == range_of_scalar("val/digit/loss") == UNBOUNDED
    )
    assert range_of_scalar("val/digit/accuracy") == (0, 1)


def test_an_interval_that_leaves_the_range_is_cut_and_says_so():
    metrics = {"a": TaskMetric("a", "accuracy", "Accuracy", "", True), "b": TaskMetric("b", "mae", "MAE", "m", False)}
    values = {("cell", seed): {"a": share, "b": error} for seed, share, error in ((0, 0.99, 0.01), (1, 0.96, 0.04), (2, 1.0, 0.0))}
    found = spreads_of("cell", (0, 1, 2), metrics, values)
    assert found["a"].high > 1  # Student's, which the verdict and the CSV have
    assert found["b"].low < 0
    assert number(found["a"]) == "0.983 ± 0.052 (n 3, cut at 1)"
    assert number(found["b"]) == "0.017 ± 0.052 (n 3, cut at 0)"
    assert number(found["a"], latex=True) == "0.983 $\\pm$ 0.052 (n 3, cut at 1)"
    assert number(Spread({0: 0.5, 1: 0.6}, 0.55, 0.5, 0.6, (0.0, 1.0))) == "0.550 ± 0.050 (n 2)"


def test_bands_stay_in_the_range():
    low, high = cut_band(np.array([0.02, 0.98]), np.array([0.05, 0.05]), (0.0, 1.0))
    assert low.tolist() == pytest.approx([0, 0.93])
    assert high.tolist() == pytest.approx([0.07, 1])
    assert math.isnan(cut_band(np.array([0.5]), np.array([np.nan]), (0.0, 1.0))[0][0])


@pytest.mark.parametrize(("metric", "highest"), [("accuracy", 1.0), ("my_metric", 1.0 + 0.05 * 2**0.5)])
def test_the_band_of_a_group_of_seeds_is_cut(metric, highest):
    class Run:
        def __init__(self, name):
            self.id = name

    def rows(value):
        return pd.DataFrame({"key": [f"val/a/{metric}"] * 2, "step": [1, 2], "epoch": [1.0, 2.0], "wall_time": [0.0, 1.0], "value": [value] * 2})

    frames = {"one": rows(0.95), "two": rows(1.05 if metric == "my_metric" else 1.0)}
    curve = curve_of(Group("g", (Run("one"), Run("two")), "#000000", "solid"), frames, f"val/a/{metric}", "epoch")
    assert max(curve.band[1]) == pytest.approx(highest)
