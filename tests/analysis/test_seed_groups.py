"""Groups of runs that differ only in their seed."""

import numpy as np
import pytest

from mtl_core.analysis.seed_groups import difference, grouped, settings_key, spread
from mtl_core.presets import get_preset

QUICK = get_preset("digits-quick").config


def test_runs_that_differ_only_in_seed_and_records_are_one_group():
    same = [QUICK, QUICK.with_overrides(["seed=3", "name=another", "precision=fp32", "keep_checkpoints=1"])]
    other = [
        QUICK.with_overrides([change])
        for change in ("epochs=2", "tasks.digit.loss_weight=2", "balancing.name=pcgrad", "changes=[{step: 1, key: optimizer.lr, value: 0.1}]")
    ]
    keys = [settings_key(config) for config in (*same, *other)]
    assert [len(group) for group in grouped(range(6), keys)] == [2, 1, 1, 1, 1]


def test_mean_and_sample_standard_deviation():
    found = spread([(np.array([1, 2, 3]), np.array([1.0, 2.0, 3.0])), (np.array([1, 2, 3]), np.array([3.0, 2.0, 7.0]))])
    np.testing.assert_array_equal(found.x, [1, 2, 3])
    np.testing.assert_allclose(found.mean, [2, 2, 5])
    np.testing.assert_allclose(found.sd, [np.sqrt(2), 0, np.sqrt(8)])


def test_the_mean_covers_only_what_all_curves_cover():
    """A seed that is still training must not make the mean jump where it ends."""
    found = spread([(np.array([1.0, 2, 3, 4]), np.array([1.0, 1, 1, 1])), (np.array([0.0, 2.5]), np.array([0.0, 5.0]))])
    np.testing.assert_array_equal(found.x, [1, 2, 2.5])
    np.testing.assert_allclose(found.mean, [(1 + 2) / 2, (1 + 4) / 2, (1 + 5) / 2])


def test_points_that_are_not_finite_are_left_out():
    found = spread([(np.array([1.0, 2, 3]), np.array([1.0, np.nan, 3.0]))])
    np.testing.assert_array_equal(found.x, [1, 3])
    np.testing.assert_array_equal(found.mean, [1, 3])
    assert np.isnan(found.sd).all()


@pytest.mark.parametrize("lines", [[], [(np.zeros(0), np.zeros(0))], [(np.array([1.0]), np.array([1.0])), (np.zeros(0), np.zeros(0))]])
def test_nothing_in_common_is_empty(lines):
    assert len(spread(lines).x) == 0


def test_curves_without_a_common_part_have_no_mean():
    assert len(spread([(np.array([1.0, 2]), np.ones(2)), (np.array([3.0, 4]), np.ones(2))]).x) == 0


def test_the_difference_is_known_only_where_the_baseline_is():
    x, y = difference((np.array([0, 1, 2, 3, 4]), np.array([5.0, 5, 5, 5, 5])), (np.array([1, 3]), np.array([1.0, 2.0])))
    np.testing.assert_array_equal(x, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(y, [np.nan, 4, 3.5, 3, np.nan])
    assert np.isnan(difference((np.array([0.0]), np.array([1.0])), (np.zeros(0), np.zeros(0)))[1]).all()
