"""Decisions of a task at any threshold: how many are right and wrong for each class, counted once on a grid, and the metrics that follow. No torch.

An evaluation stores the counts, so that a page can move the threshold without the network and without the predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mtl_core.analysis.box_matching import box_iou
from mtl_core.analysis.evaluation.findings import ratio
from mtl_core.language import mark

GRID = np.round(np.linspace(0.0, 1.0, 101), 2)
FOUND, MISSED, FALSE, TRUE_NEGATIVE = range(4)  # places in the counts
NOT_COUNTED = -1  # true negatives where nothing says how many there are, as for boxes
METRICS = {"precision": mark("Precision"), "recall": mark("Recall"), "f1": "F1"}


@dataclass(frozen=True)
class Decisions:
    """Counts at each threshold of ``GRID``; from a threshold on a score counts as a yes.

    Attributes:
        counts: int64 (T, K, 4): found, missed, false positives, true negatives (``NOT_COUNTED`` for boxes).
        classes: places of the K classes among the task's; of two classes of which each image has one, only the second decides.
        exact: int64 (T,): images whose every class is right; None where that is not counted.
        default: the threshold of the task's other metrics.
    """

    counts: np.ndarray
    classes: tuple[int, ...]
    exact: np.ndarray | None
    default: float

    def arrays(self) -> dict[str, np.ndarray]:
        """As an evaluation stores it."""
        stored = {"decisions": self.counts.astype(np.int32), "decided_classes": np.array(self.classes), "decided_at": np.array(self.default)}
        return stored | ({} if self.exact is None else {"decisions_exact": self.exact.astype(np.int32)})

    def place(self, threshold: float) -> int:
        """The place of a threshold in ``GRID``, the nearest one."""
        return int(np.abs(GRID - threshold).argmin())

    def of_classes(self, metric: str) -> np.ndarray:
        """float64 (T, K): precision, recall or F1; NaN for 0 / 0."""
        found, missed, wrong = (self.counts[..., place].astype(float) for place in (FOUND, MISSED, FALSE))
        parts = {"precision": (found, found + wrong), "recall": (found, found + missed), "f1": (2 * found, 2 * found + missed + wrong)}
        return ratio(*parts[metric])

    def mean(self, metric: str) -> np.ndarray:
        """float64 (T,): the mean over the classes that occur. Precision leaves out a class that is never predicted. NaN if none is left."""
        occurs = self.counts[0, :, FOUND] + self.counts[0, :, MISSED] > 0
        values = self.of_classes(metric)[:, occurs]
        defined = np.isfinite(values)
        return ratio(np.where(defined, values, 0.0).sum(1), defined.sum(1).astype(float))

    def best(self) -> float | None:
        """The threshold with the highest mean F1, of several the one nearest to the default; None if F1 is not defined."""
        values = self.mean("f1")
        if not np.isfinite(values).any():
            return None
        equal = np.flatnonzero(values >= np.nanmax(values) - 1e-12)
        return float(GRID[equal[np.abs(GRID[equal] - self.default).argmin()]])


def stored_decisions(arrays: Mapping[str, np.ndarray]) -> Decisions | None:
    """The decisions among an evaluation's arrays of a task; None if it has none, as those of earlier versions."""
    if "decisions" not in arrays:
        return None
    exact = arrays["decisions_exact"].astype(np.int64) if "decisions_exact" in arrays else None
    classes = tuple(int(place) for place in arrays["decided_classes"])
    return Decisions(arrays["decisions"].astype(np.int64), classes, exact, float(arrays["decided_at"]))


def decisions_of(probabilities: np.ndarray, truth: np.ndarray, default: float, classes: tuple[int, ...] | None = None) -> Decisions:
    """Counts of yes-or-no decisions.

    Args:
        probabilities: (N, K) in 0..1. truth: bool (N, K).
        classes: places of the K classes among the task's; all by default.
    """
    kinds = truth.shape[1]
    counts, exact = np.zeros((len(GRID), kinds, 4), dtype=np.int64), np.zeros(len(GRID), dtype=np.int64)
    scores = probabilities.astype(np.float64)
    for place, threshold in enumerate(GRID):
        said = scores >= threshold
        for outcome, chosen in ((FOUND, said & truth), (MISSED, ~said & truth), (FALSE, said & ~truth), (TRUE_NEGATIVE, ~said & ~truth)):
            counts[place, :, outcome] = chosen.sum(0)
        exact[place] = (said == truth).all(1).sum()
    return Decisions(counts, tuple(range(kinds)) if classes is None else classes, exact, default)


def box_hits(predicted: np.ndarray, target: np.ndarray, least_iou: float) -> np.ndarray:
    """bool (P,): which boxes of one image and one class find a box of the target.

    As in COCO's evaluation, boxes are taken by falling score, each gets the free target that it overlaps most, by at least ``least_iou``. A box
    with a lower score changes nothing for those before it, so one matching holds for every threshold.

    Args:
        predicted: (P, >= 6), scores in column 5. target: (G, >= 4).
    """
    hits, free = np.zeros(len(predicted), dtype=bool), np.ones(len(target), dtype=bool)
    overlap = box_iou(predicted[:, :4], target[:, :4])
    for row in np.argsort(-predicted[:, 5], kind="stable"):
        allowed = np.where(free, overlap[row], -1.0) if len(target) else np.zeros(0)
        if len(allowed) and allowed.max() >= least_iou:
            free[int(allowed.argmax())], hits[row] = False, True
    return hits


def box_decisions(scores: np.ndarray, labels: np.ndarray, hits: np.ndarray, targets: np.ndarray, default: float) -> Decisions:
    """Counts of boxes.

    Args:
        scores, labels, hits: (P,) of all predicted boxes: score, class and whether it finds a box.
        targets: int64 (K,): boxes of each class.
    """
    kinds = len(targets)
    counts = np.zeros((len(GRID), kinds, 4), dtype=np.int64)
    counts[..., TRUE_NEGATIVE] = NOT_COUNTED
    scores = scores.astype(np.float64)
    for place, threshold in enumerate(GRID):
        said = scores >= threshold
        counts[place, :, FOUND] = np.bincount(labels[said & hits], minlength=kinds)
        counts[place, :, FALSE] = np.bincount(labels[said & ~hits], minlength=kinds)
        counts[place, :, MISSED] = targets - counts[place, :, FOUND]
    return Decisions(counts, tuple(range(kinds)), None, default)
