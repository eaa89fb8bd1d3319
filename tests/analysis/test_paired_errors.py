"""Two networks' errors image by image: counts, mean difference and interval against scipy, images without an error."""

import numpy as np
import pytest
from scipy import stats

from mtl_core.analysis.paired_errors import LEAST, paired_errors


def test_counts_and_order_by_hand():
    found = paired_errors(np.array([0.1, 0.5, 0.2, np.nan, 0.3]), np.array([0.1, 0.1, 0.3, 0.0, np.nan]))
    assert (found.first, found.second, found.equal) == (1, 1, 1)
    assert found.mean == pytest.approx((0 - 0.4 + 0.1) / 3)
    assert found.order.tolist() == [1, 2], "the largest difference first, without equal and unknown ones"
    assert np.isnan(found.low), "too few images for an interval"


def test_the_interval_is_that_of_a_paired_t_test():
    random = np.random.default_rng(0)
    one, other = random.uniform(size=50), random.uniform(size=50)
    found, expected = paired_errors(one, other), stats.ttest_rel(other, one).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_nothing_to_compare_and_other_images():
    found = paired_errors(np.full(LEAST, np.nan), np.zeros(LEAST))
    assert (found.first, found.second, found.equal, len(found.order)) == (0, 0, 0, 0)
    assert np.isnan(found.mean)
    with pytest.raises(ValueError, match="same images"):
        paired_errors(np.zeros(3), np.zeros(4))
