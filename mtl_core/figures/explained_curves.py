"""Sentences on the curves of a run, made from the numbers that are drawn. Pure functions, so that words and numbers cannot part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

FLAT = 0.01  # relative change within the end that counts as none
GAP = 0.05  # relative difference between train and val from which it is named
EVEN = 1.25  # the largest of several weights is at most this many times the smallest where they are about equal


@dataclass(frozen=True)
class Explanation:
    """Sentences on a chart, and the lesson on what it shows.

    Attributes:
        sentences: at most two.
        lesson: name in ``mtl_core.lessons``.
    """

    sentences: tuple[str, ...]
    lesson: str


def explain_metric(title: str, train: Sequence[float], val: Sequence[float], higher_is_better: bool, unit: str = "") -> Explanation:
    """On the curves of a metric or a loss: how it moved on val, and how far train and val lie apart at the end.

    Args:
        train, val: values in the order of recording; NaN is left out. ``val`` may be empty before the first epoch ends.
    """
    on_val, on_train = _finite(val), _finite(train)
    lesson = "overfitting"
    if len(on_val) < 2:
        return Explanation(("Two epochs have to end before something can be said of this curve.",), lesson)
    first, last = float(on_val[0]), float(on_val[-1])
    best = float(on_val.max() if higher_is_better else on_val.min())
    moved = (
        f"{title} on val went from {number_with_unit(first, unit)} to {number_with_unit(last, unit)}, which is {_word(first, last, higher_is_better)}"
    )
    best_place = "the last value is the best" if last == best else f"the best was {number_with_unit(best, unit)}"
    sentences = [f"{moved}; {best_place}."]
    if len(on_train):
        sentences.append(_gap(float(on_train[-1]), last, higher_is_better, unit))
    return Explanation(tuple(sentences), lesson)


def _word(before: float, after: float, higher_is_better: bool) -> str:
    if after == before:
        return "no change"
    return "better" if (after > before) == higher_is_better else "worse"


def _gap(train: float, val: float, higher_is_better: bool, unit: str) -> str:
    size = max(abs(train), abs(val))
    distance = (train - val) if higher_is_better else (val - train)
    values = f"at the end {number_with_unit(train, unit)} on train and {number_with_unit(val, unit)} on val"
    if size == 0 or abs(distance) <= GAP * size:
        return f"Train and val lie close together: {values}."
    if distance > 0:
        return f"It is better on the training pictures than on val: {values}. A growing distance is overfitting."
    return f"It is better on val than on train: {values}. Values on train are means over an epoch in which the network still learns."


def explain_loss_weights(weights: Mapping[str, Sequence[float]]) -> Explanation:
    """On the tasks' loss weights: whether they moved, and which is the largest at the end.

    Args:
        weights: task -> values in the order of recording.
    """
    found = {task: values for task, each in weights.items() if len(values := _finite(each))}
    if not found:
        return Explanation(("No loss weight was recorded so far.",), "learnt_weights")
    moved = [task for task, values in found.items() if np.ptp(values) > FLAT * max(float(np.abs(values).max()), 1e-12)]
    ends = {task: float(values[-1]) for task, values in found.items()}
    who = f"the weight of {moved[0]} moved" if len(moved) == 1 else f"{len(moved)} of {len(found)} weights moved"
    first = f"During the run {who} by more than {FLAT:.0%}." if moved else "All loss weights stayed where they began."
    high, low = max(ends, key=lambda task: ends[task]), min(ends, key=lambda task: ends[task])
    if len(ends) == 1:
        second = f"{high} has {ends[high]:.3g}."
    elif ends[high] <= EVEN * ends[low]:
        second = f"At the end they are about equal, from {ends[low]:.3g} to {ends[high]:.3g}."
    else:
        second = f"At the end {high} has the largest, {ends[high]:.3g}, and {low} the smallest, {ends[low]:.3g}."
    return Explanation((first, second), "learnt_weights" if moved else "weights_by_hand")


def explain_shares(shares: Mapping[str, Sequence[float]]) -> Explanation:
    """On the tasks' shares of the gradient: who had the most over the run, beside an equal share.

    Args:
        shares: task -> values in 0..1 in the order of recording.
    """
    means = {task: float(values.mean()) for task, each in shares.items() if len(values := _finite(each))}
    if len(means) < 2:
        return Explanation(("The shares of at least two tasks are needed for a comparison.",), "loss_scales")
    high, equal = max(means, key=lambda task: means[task]), 1 / len(means)
    first = f"Over the run {high} had the largest share of the gradient, {means[high]:.0%} on average; an equal share is {equal:.0%}."
    if means[high] >= 0.5 and len(means) > 2:
        second = f"So {high} alone moved the shared network about as much as all others together, or more."
    elif means[high] <= EVEN * equal:
        second = "No task dominated the shared network."
    else:
        second = "A larger share comes from a larger loss or a steeper one; it does not mean that the task is doing better."
    return Explanation((first, second), "loss_scales")


def explain_cosines(cosines: Mapping[tuple[str, str], Sequence[float]]) -> Explanation:
    """On the cosines between the tasks' gradients: the pair that was most often below 0.

    Args:
        cosines: pair of tasks -> values in -1..1 in the order of recording.
    """
    below = {pair: float((values < 0).mean()) for pair, each in cosines.items() if len(values := _finite(each))}
    if not below:
        return Explanation(("No angle between gradients was measured so far.",), "conflicting_gradients")
    pair = max(below, key=lambda each: below[each])
    count = len(_finite(cosines[pair]))
    first = f"The gradients of {pair[0]} and {pair[1]} pointed against each other in {below[pair]:.0%} of {count} measurements"
    first += "; no other pair did so more often." if len(below) > 1 else "."
    if below[pair] > 0.5:
        second = "In most of these steps what helped one of them made the other worse."
    elif below[pair] == 0:
        second = (
            "So no step for one of them was measured that made the other worse." if len(below) == 1 else "So no pair was in conflict at any time."
        )
    else:
        second = "In most of these steps they did not stand in each other's way."
    return Explanation((first, second), "conflicting_gradients")


def _finite(values: Sequence[float]) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    return found[np.isfinite(found)]


def number_with_unit(value: float, unit: str) -> str:
    """A value in a sentence, with three digits."""
    return f"{value:.3g} {unit}".strip()
