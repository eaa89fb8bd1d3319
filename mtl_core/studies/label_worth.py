"""LabelCurve: what a doubling of one task's labels is worth to every task. Slopes over the base-2 logarithm of their share, one for each seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_core.analysis.student_interval import t_interval
from mtl_core.language import tr
from mtl_core.studies.answer import Answer


@dataclass(frozen=True)
class LabelCurve:
    """Values of one task over the share of the labels of one task, which may be the same.

    Attributes:
        labels: task whose labels are thinned. ``task``: task that is measured.
        shares: ascending, above 0, at most 1. ``means``: mean over the seeds, in the metric's unit.
        spreads: standard deviation over the seeds; NaN for one.
        worth: mean over the seeds of what a doubling of the labels changes, in the metric's unit; above 0 is better. NaN without a seed that has two
            shares.
        low, high: Student's 95 % interval of ``worth``; NaN below two seeds, and where every seed has the same. ``n``: number of its seeds.
    """

    labels: str
    task: str
    shares: tuple[float, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]
    worth: float
    low: float
    high: float
    n: int


def label_curves(answer: Answer) -> list[LabelCurve]:
    """A curve for each task whose labels are thinned and each task with a metric; empty for other studies."""
    shares = answer.study.part.label_shares(answer.study.base, answer.study.options)
    found = []
    for labels, cells in shares.items():
        for task, metric in answer.metrics.items():
            values = {share: spread.values for share, cell in cells.items() if (spread := answer.spreads.get(cell, {}).get(task))}
            if values:
                found.append(_curve(labels, task, values, 1.0 if metric.higher_is_better else -1.0))
    return found


def doubling(values: Mapping[float, float]) -> float:
    """Slope of the least-squares line of values over log2(share); NaN below two shares."""
    if len(values) < 2:
        return math.nan
    shares, measured = np.log2(list(values)), np.asarray(list(values.values()), float)
    centred = shares - shares.mean()
    return float((centred * measured).sum() / (centred**2).sum())


def worth_in_words(curve: LabelCurve) -> str:
    """The worth of a doubling with its interval, in the metric's unit; above 0 is better."""
    if not curve.n:
        return "–"
    if not math.isfinite(curve.low):
        return f"{curve.worth:+.3g}"
    return tr("{worth:+.3g} ({low:+.3g} to {high:+.3g})", worth=curve.worth, low=curve.low, high=curve.high)


def _curve(labels: str, task: str, values: Mapping[float, Mapping[int, float]], sign: float) -> LabelCurve:
    shares = sorted(values)
    columns = [list(values[share].values()) for share in shares]
    seeds = sorted({seed for each in values.values() for seed in each})
    slopes = _finite([sign * doubling({share: values[share][seed] for share in shares if seed in values[share]}) for seed in seeds])
    low, high = t_interval(slopes) if len(slopes) > 1 and np.ptp(slopes) > 0 else (math.nan, math.nan)
    return LabelCurve(
        labels,
        task,
        tuple(shares),
        tuple(float(np.mean(column)) for column in columns),
        tuple(float(np.std(column, ddof=1)) if len(column) > 1 else math.nan for column in columns),
        float(np.mean(slopes)) if slopes else math.nan,
        low,
        high,
        len(slopes),
    )


def _finite(numbers: Sequence[float]) -> list[float]:
    return [number for number in numbers if math.isfinite(number)]
