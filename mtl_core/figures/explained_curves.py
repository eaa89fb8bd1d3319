"""Sentences on the curves of a run in the reader's language, made from the numbers that are drawn, so that words and numbers cannot part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_core.analysis.conflict_summary import share_interval
from mtl_core.language import mark, tr
from mtl_core.scalar_words import measured, share_in_words

FLAT = 0.01  # relative change within the end that counts as none
GAP = 0.05  # relative difference between train and val from which it is named
MOST_TOGETHER = 1.005  # sum of the tasks' mean shares that rounding explains
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
        return Explanation((tr("This curve needs values of two epochs before something can be said of it."),), lesson)
    first, last = float(on_val[0]), float(on_val[-1])
    best = float(on_val.max() if higher_is_better else on_val.min())
    moved = {
        "title": title,
        "first": number_with_unit(first, unit),
        "last": number_with_unit(last, unit),
        "better": _word(first, last, higher_is_better),
    }
    sentences = [
        tr("{title} on val went from {first} to {last}, which is {better}; the last value is the best.", **moved)
        if last == best
        else tr("{title} on val went from {first} to {last}, which is {better}; the best was {best}.", **moved, best=number_with_unit(best, unit))
    ]
    if len(on_train):
        sentences.append(_gap(float(on_train[-1]), last, higher_is_better, unit))
    return Explanation(tuple(sentences), lesson)


def _word(before: float, after: float, higher_is_better: bool) -> str:
    if after == before:
        return tr("no change")
    return tr("better") if (after > before) == higher_is_better else tr("worse")


def _gap(train: float, val: float, higher_is_better: bool, unit: str) -> str:
    size = max(abs(train), abs(val))
    distance = (train - val) if higher_is_better else (val - train)
    ends = {"train": number_with_unit(train, unit), "val": number_with_unit(val, unit)}
    if size == 0 or abs(distance) <= GAP * size:
        return tr("Train and val lie close together: at the end {train} on train and {val} on val.", **ends)
    if distance > 0:
        return tr(
            "It is better on the training pictures than on val: at the end {train} on train and {val} on val. A growing distance is overfitting.",
            **ends,
        )
    return tr(
        "It is better on val than on train: at the end {train} on train and {val} on val. Values on train are means over an epoch in which the "
        "network still learns.",
        **ends,
    )


def explain_loss_weights(weights: Mapping[str, Sequence[float]]) -> Explanation:
    """On the tasks' loss weights: whether they moved, and which is the largest at the end.

    Args:
        weights: task -> values in the order of recording.
    """
    found = {task: values for task, each in weights.items() if len(values := _finite(each))}
    if not found:
        return Explanation((tr("No loss weight was recorded."),), "learnt_weights")
    moved = [task for task, values in found.items() if np.ptp(values) > FLAT * max(float(np.abs(values).max()), 1e-12)]
    ends = {task: float(values[-1]) for task, values in found.items()}
    if len(moved) == 1:
        first = tr("During the run the weight of {task} moved by more than {bound:.0%}.", task=moved[0], bound=FLAT)
    elif moved:
        first = tr(
            "During the run {moved} of {all} {all:weight|weights} moved by more than {bound:.0%}.", moved=len(moved), all=len(found), bound=FLAT
        )
    else:
        first = tr("All loss weights stayed where they began.")
    high, low = max(ends, key=lambda task: ends[task]), min(ends, key=lambda task: ends[task])
    if len(ends) == 1:
        second = tr("{task} has {weight:.3g}.", task=high, weight=ends[high])
    elif ends[high] <= EVEN * ends[low]:
        second = tr("At the end they are about equal, from {lowest:.3g} to {highest:.3g}.", lowest=ends[low], highest=ends[high])
    else:
        second = tr(
            "At the end {high} has the largest, {highest:.3g}, and {low} the smallest, {lowest:.3g}.",
            high=high,
            highest=ends[high],
            low=low,
            lowest=ends[low],
        )
    return Explanation((first, second), "learnt_weights" if moved else "weights_by_hand")


def explain_shares(shares: Mapping[str, Sequence[float]]) -> Explanation:
    """On the tasks' shares of the gradient: who had the most over the run, beside an equal share.

    Args:
        shares: task -> values in 0..1 in the order of recording.
    """
    means = {task: float(values.mean()) for task, each in shares.items() if len(values := _finite(each))}
    if len(means) < 2:
        return Explanation((tr("The shares of at least two tasks are needed for a comparison."),), "loss_scales")
    high, equal = max(means, key=lambda task: means[task]), 1 / len(means)
    told = {"task": high, "share": share_in_words(means[high]), "equal": equal}
    if sum(means.values()) > MOST_TOGETHER:  # a run of an earlier version, which left out steps without labels of a task
        first = tr(
            "In the steps that had its labels {task} had the largest share of the gradient, {share} on average; an equal share is {equal:.0%}. "
            "Steps differ in which tasks have labels, so these means add to more than 100%.",
            **told,
        )
    else:
        first = tr("Over the run {task} had the largest share of the gradient, {share} on average; an equal share is {equal:.0%}.", **told)
    if means[high] >= 0.5 and len(means) > 2:
        second = tr("So {task} alone moved the shared network about as much as all others together, or more.", task=high)
    elif means[high] <= EVEN * equal:
        second = tr("No task dominated the shared network.")
    else:
        second = tr("A larger share comes from a larger loss or a steeper one; it does not mean that the task is doing better.")
    return Explanation((first, second), "loss_scales")


def explain_cosines(
    cosines: Mapping[tuple[str, str], Sequence[float]], shares: Mapping[tuple[str, str], Sequence[float]] | None = None
) -> Explanation:
    """On the cosines between the tasks' gradients: the pair that was most often below 0.

    Args:
        cosines: pair of tasks -> values in -1..1 in the order of recording.
        shares: pair of tasks -> the share of a value's steps whose cosine was below 0, in 0..1; a value is the mean of its steps. A run of an earlier
            version has none, and each value counts as one step.
    """
    of_steps = shares or {}
    below = {
        pair: float(known.mean()) if len(known := _finite(of_steps.get(pair, ()))) else float((values < 0).mean())
        for pair, each in cosines.items()
        if len(values := _finite(each))
    }
    if not below:
        return Explanation((tr("No angle between gradients was measured."),), "conflicting_gradients")
    pair = max(below, key=lambda each: below[each])
    count = len(_finite(cosines[pair]))
    low, high = share_interval(below[pair], count)
    told = {"one": pair[0], "other": pair[1], "share": share_in_words(below[pair]), "count": count, "low": low, "high": high}
    if count == 1:
        said = {
            0.0: mark("At the only measurement the gradients of {one} and {other} did not point against each other."),
            1.0: mark("At the only measurement the gradients of {one} and {other} pointed against each other."),
        }
        of_steps_said = mark("The gradients of {one} and {other} pointed against each other in {share} of the steps of the only measurement.")
        first = tr(said.get(below[pair], of_steps_said), **told)
        return Explanation((first, tr("One measurement is too little for a conclusion.")), "conflicting_gradients")
    if len(below) > 1:
        first = tr(
            "The gradients of {one} and {other} pointed against each other in {share} of {count} measurements (95 % interval {low:.0%} to "
            "{high:.0%}); no other pair did so more often.",
            **told,
        )
    else:
        first = tr(
            "The gradients of {one} and {other} pointed against each other in {share} of {count} measurements (95 % interval {low:.0%} to "
            "{high:.0%}).",
            **told,
        )
    return Explanation((first, _how_often(below[pair], len(below) == 1)), "conflicting_gradients")


def _how_often(share: float, is_only: bool) -> str:
    """What it means that this share of the cosines of the most conflicting pair is below 0.

    Args:
        is_only: whether no other pair was measured.
    """
    if share == 1:
        return tr("In all of these steps what helped one of them made the other worse.")
    if share == 0:
        return tr("So no step for one of them was measured that made the other worse.") if is_only else tr("So no pair was in conflict at any time.")
    if share == 0.5:
        return tr("In half of these steps what helped one of them made the other worse.")
    if share > 0.5:
        return tr("In most of these steps what helped one of them made the other worse.")
    return tr("In most of these steps they did not stand in each other's way.")


def _finite(values: Sequence[float]) -> np.ndarray:
    found = np.asarray(values, dtype=float)
    return found[np.isfinite(found)]


def number_with_unit(value: float, unit: str) -> str:
    """A value in a sentence, with the digits that the page shows it with."""
    return f"{measured(value)} {unit}".strip()
