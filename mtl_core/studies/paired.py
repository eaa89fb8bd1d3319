"""Differences paired by seed: their interval, their probabilities and their correction for many comparisons. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl_core.analysis.student_interval import LEVEL, moments, t_interval

ROUNDING = 1e-12  # of the largest value: differences that are no further apart differ by the rounding of floats
RESAMPLES = 9999  # of a bootstrap
SIGN_PAIRS = 6  # the fewest pairs with which the sign test's p-value can be below 5 %: 2^(1 - 6) = 3.1 %
INTERVALS = ("t", "bca")  # Student t; bias-corrected and accelerated bootstrap (Efron 1987)


@dataclass(frozen=True)
class PairedDifference:
    """What the differences of one comparison say.

    Attributes:
        n: number of pairs.
        mean: mean difference; above 0 is better, whatever the metric's direction.
        spread: standard deviation of the differences (divisor n - 1); NaN for one pair.
        low, high: the interval; NaN for fewer than two pairs, and where ``is_spread_unknown`` below ``SIGN_PAIRS`` pairs.
        interval: ``t`` or ``bca``.
        p_value: two-sided, of Student's t test for a mean of 0, of the sign test where ``is_spread_unknown``; NaN for fewer than two pairs.
        p_better, p_equal, p_worse: probabilities that the true mean lies above the band, inside it, below it; NaN where ``is_spread_unknown``.
        band: half the width of the band of equivalence, in the metric's unit, 0 or more.
    """

    n: int
    mean: float
    spread: float
    low: float
    high: float
    interval: str
    p_value: float
    p_better: float
    p_equal: float
    p_worse: float
    band: float

    @property
    def is_spread_unknown(self) -> bool:
        """Whether every seed had the same difference, and not 0. A metric that counts few images moves in steps, and so do its differences."""
        return self.n > 1 and self.spread == 0 and self.mean != 0


def paired_difference(
    values: Sequence[float],
    baseline: Sequence[float],
    higher_is_better: bool,
    band: float,
    interval: str = "t",
    seed: int = 0,
) -> PairedDifference:
    """The difference from a baseline, paired by seed. Entry i of both lists comes from the same seed.

    The probabilities are those of the posterior of the mean under the uninformative prior p(mean, sigma) ~ 1 / sigma: a Student t with n - 1 degrees
    of freedom about the mean difference (Corani and Benavoli 2015 without the correlation of cross-validation).

    Differences that are all equal say nothing of their spread, and Student's t would be certain of them. The sign test takes its place: with n equal
    signs its p-value is 2^(1 - n), so from ``SIGN_PAIRS`` pairs on the one value is the 95 % interval of the median.

    Args:
        values, baseline: (n,) finite, n >= 1.
        band: half the width of the band of equivalence, in the metric's unit.
        interval: one of ``INTERVALS``.
        seed: of the bootstrap's resamples.

    Raises:
        ValueError: lengths differ, nothing to compare, a value is not finite, the band is negative, or the interval has another name.
    """
    if len(values) != len(baseline) or not len(values):
        raise ValueError(f"expected pairs, at least one; found {len(values)} values and {len(baseline)} of the baseline")
    if interval not in INTERVALS:
        raise ValueError(f"expected an interval among {', '.join(INTERVALS)}, found '{interval}'")
    if not band >= 0:
        raise ValueError(f"expected a band of 0 or more, found {band}")
    differences = (np.asarray(values, float) - np.asarray(baseline, float)) * (1.0 if higher_is_better else -1.0)
    if not np.isfinite(differences).all():
        raise ValueError("expected finite values")
    n, mean = len(differences), float(differences.mean())
    if n < 2:
        return PairedDifference(n, mean, math.nan, math.nan, math.nan, interval, math.nan, math.nan, math.nan, math.nan, band)
    rounding = ROUNDING * max(np.abs(values).max(), np.abs(baseline).max())
    if np.ptp(differences) <= rounding and abs(mean) > rounding:
        edge = mean if n >= SIGN_PAIRS else math.nan
        return PairedDifference(n, mean, 0.0, edge, edge, interval, sign_test(n), math.nan, math.nan, math.nan, band)
    spread = float(differences.std(ddof=1))
    low, high = t_interval(differences) if interval == "t" else bca_interval(differences, seed=seed)
    better, equal, worse = probabilities(differences, band)
    return PairedDifference(n, mean, spread, low, high, interval, t_test(differences), better, equal, worse, band)


def sign_test(n: int) -> float:
    """Two-sided p-value of the sign test for n differences of one sign: 2^(1 - n)."""
    return 2.0 ** (1 - n)


def t_test(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p-value of Student's t test for a mean of 0; only zeros give 1. For other equal differences see ``sign_test``."""
    from scipy.special import stdtr

    mean, error, free = moments(differences)
    if error == 0:
        return 1.0 if mean == 0 else sign_test(len(differences))
    return float(2 * stdtr(free, -abs(mean / error)))


def bca_interval(differences: Sequence[float] | np.ndarray, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron 1987; scipy's ``bootstrap``). Equal values give an interval of no width.

    With few seeds it is too narrow; ``docs/studies.md`` has the measured coverage.
    """
    from scipy.stats import bootstrap

    values = np.asarray(differences, float)
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    found = bootstrap((values,), np.mean, confidence_level=level, n_resamples=resamples, method="BCa", rng=np.random.default_rng(seed))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def probabilities(differences: Sequence[float] | np.ndarray, band: float) -> tuple[float, float, float]:
    """Probabilities that the true mean is above ``band``, within it, below ``-band``; they add up to 1."""
    from scipy.special import stdtr

    mean, error, free = moments(differences)
    if error == 0:
        return float(mean > band), float(-band <= mean <= band), float(mean < -band)
    better, worse = float(stdtr(free, (mean - band) / error)), float(stdtr(free, (-band - mean) / error))
    return better, max(1.0 - better - worse, 0.0), worse


def p_against_the_best(p_value: float, mean: float, candidates: int) -> float:
    """p-value of a difference from the best of several candidates that was chosen on the same data.

    A loss counts once for each candidate (Bonferroni), because the best of many is ahead by chance alone. A gain over it needs no correction: the
    choice can only make the gain smaller. ``docs/studies.md`` has how often a verdict is wrong with and without.

    Args:
        mean: of the difference; below 0 is a loss.
        candidates: 1 or more; 1 for a baseline that was fixed beforehand.
    """
    return min(p_value * candidates, 1.0) if mean < 0 else p_value


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down method (Holm 1979), in the given order. A NaN stays NaN and does not count."""
    known = [place for place, value in enumerate(p_values) if not math.isnan(value)]
    corrected, highest = [math.nan] * len(p_values), 0.0
    for rank, place in enumerate(sorted(known, key=lambda place: p_values[place])):
        highest = max(highest, min((len(known) - rank) * p_values[place], 1.0))
        corrected[place] = highest
    return corrected
