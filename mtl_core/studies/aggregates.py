"""Numbers over several tasks: delta_m in both published forms, interquartile mean, probability of improvement, mean rank. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mtl_core.language import mark

# Each title says what it is the mean of: a study shows several of these numbers, which differ.
GAIN, DROP = mark("Δm of all metrics, by task (%) ↑"), mark("Δm of all metrics (%) ↓")
OVERALL_METRIC = mark("mean relative gain of the tasks' main metrics ↑")
GAIN_OVER_SINGLE = mark("mean gain of main metrics over single networks (%)")
Metrics = Mapping[tuple[str, str], float]  # (task, metric) -> value
Directions = Mapping[tuple[str, str], bool]  # (task, metric) -> higher is better


def relative_gain(value: float, baseline: float, higher_is_better: bool) -> float:
    """Relative improvement over a baseline in %, above 0 is better; NaN for a baseline that is not positive.

    A share of the variance (R2) has no zero to divide by: give its error, 1 - R2, instead (``dividable``).
    """
    if not (math.isfinite(value) and math.isfinite(baseline)) or baseline <= 0:
        return math.nan
    return (value - baseline) / baseline * (100.0 if higher_is_better else -100.0)


def dividable(metric: str, value: float, higher_is_better: bool) -> tuple[float, bool]:
    """Value and direction in a form that may be divided by: R2 becomes the share of the variance that is not explained, 1 - R2."""
    return (1.0 - value, False) if metric == "r2" else (value, higher_is_better)


def delta_m_of_tasks(values: Metrics, baseline: Metrics, higher_is_better: Directions) -> float:
    """delta_m as LibMTL and Vandenhende et al. (2021) define it: mean over the tasks of the mean relative gain of a task's metrics, in %.

    Higher is better. NaN if a gain is not defined.
    """
    tasks: dict[str, list[float]] = {}
    for (task, _metric), gain in _gains(values, baseline, higher_is_better).items():
        tasks.setdefault(task, []).append(gain)
    return float(np.mean([np.mean(gains) for gains in tasks.values()])) if tasks else math.nan


def delta_m_of_metrics(values: Metrics, baseline: Metrics, higher_is_better: Directions) -> float:
    """Delta m% as Navon et al. (Nash-MTL, 2022, section 5) and their code define it: mean over all metrics of the relative drop, in %.

    Lower is better. A task with more metrics counts more. NaN if a drop is not defined.
    """
    gains = _gains(values, baseline, higher_is_better)
    return -float(np.mean(list(gains.values()))) if gains else math.nan


def _gains(values: Metrics, baseline: Metrics, higher_is_better: Directions) -> dict[tuple[str, str], float]:
    if set(values) != set(baseline):
        raise ValueError("expected the same tasks and metrics in the values and the baseline")
    found = {}
    for key, value in values.items():
        value, up = dividable(key[1], value, higher_is_better[key])
        found[key] = relative_gain(value, dividable(key[1], baseline[key], higher_is_better[key])[0], up)
    return found


def interquartile_mean(scores: Sequence[Sequence[float]] | np.ndarray) -> float:
    """Mean of the middle half of all scores (runs x tasks), as rliable takes it (Agarwal et al. 2021)."""
    values = np.sort(np.asarray(scores, float).ravel())
    cut = int(0.25 * len(values))
    return float(values[cut : len(values) - cut].mean())


def stratified_interval(
    scores: Sequence[Sequence[float]] | np.ndarray, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the interquartile mean. The bootstrap draws runs with replacement within each task (Agarwal et al. 2021).

    Args:
        scores: (runs, tasks).
    """
    values = np.asarray(scores, float)
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, len(values), (resamples, *values.shape))
    drawn = np.sort(values[rows, np.arange(values.shape[1])].reshape(resamples, -1), axis=1)
    cut = int(0.25 * drawn.shape[1])
    low, high = np.quantile(drawn[:, cut : drawn.shape[1] - cut].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def improvement_probability(scores: Sequence[Sequence[float]] | np.ndarray, others: Sequence[Sequence[float]] | np.ndarray) -> float:
    """Probability that a run of the first is better than one of the second: Mann-Whitney U / (n m) for each task, averaged (Agarwal et al. 2021).

    Args:
        scores, others: (runs, tasks), higher is better; the numbers of runs may differ.
    """
    first, second = np.asarray(scores, float), np.asarray(others, float)
    better = first[:, None, :] > second[None, :, :]
    equal = first[:, None, :] == second[None, :, :]
    return float((better + 0.5 * equal).mean(axis=(0, 1)).mean())


def mean_ranks(values: Sequence[Sequence[float]], higher_is_better: Sequence[bool]) -> list[float]:
    """Rank of each row (1 is best) in every column, averaged over the columns; equal values share the mean of their ranks."""
    table = np.asarray(values, float) * np.where(np.asarray(higher_is_better), -1.0, 1.0)
    lower = (table[None] < table[:, None]).sum(axis=1)  # numpy alone: scipy.stats takes half a second to import, which a page would wait for
    equal = (table[None] == table[:, None]).sum(axis=1)
    return [float(rank) for rank in (lower + (equal + 1) / 2).mean(axis=1)]
