"""Metrics of classes, from how often each is present, predicted and predicted rightly; for one class per image or pixel, or for any number of them.

With one class, a class that is neither present nor predicted is left out of a mean, and one that is only predicted counts as 0, as in scikit-learn,
torchmetrics and the papers on segmentation. With any number, means are over the classes that occur, as in COCO's mAP, so that perfect predictions of
a small split that lacks a class reach 1. False predictions of such a class count in ``exact``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mtl_core.tasks.kind import Measurement


class Counts(NamedTuple):
    """Of each class, float64 (K,)."""

    right: np.ndarray
    predicted: np.ndarray
    present: np.ndarray


def accuracy(counts: Counts) -> float:
    """Share of right predictions; NaN if nothing counts (every pixel is ignored)."""
    there = counts.present.sum()
    return float(counts.right.sum() / there) if there else float("nan")


def mean_f1(counts: Counts) -> float:
    """F1, mean over the classes that are present or predicted."""
    return _mean(2 * counts.right, counts.predicted + counts.present)


def mean_iou(counts: Counts) -> float:
    """Intersection over union, mean over the classes that are present or predicted."""
    return _mean(counts.right, counts.predicted + counts.present - counts.right)


def _mean(part: np.ndarray, whole: np.ndarray) -> float:
    return float((part[whole > 0] / whole[whole > 0]).mean()) if whole.any() else float("nan")


class OneClassMeasurement(Measurement):
    """Metrics of the best of a row of scores (n, K, ...) against class numbers (n, ...). The counts stay on the device until they are asked for.

    Args:
        classes: K.
        metrics: name -> function of the counts.
        ignored: a target that does not count.
    """

    def __init__(self, classes: int, metrics: dict[str, Callable[[Counts], float]], ignored: int | None = None):
        self.classes, self.metrics, self.ignored = classes, metrics, ignored
        self.counts: Tensor | None = None

    def update(self, output: Tensor, target: Tensor) -> None:
        predicted, target = output.argmax(1).flatten(), target.long().flatten()
        if self.ignored is not None:  # one class more, which is cut off below: choosing pixels would wait for a GPU
            counted = target != self.ignored
            predicted, target = torch.where(counted, predicted, self.classes), torch.where(counted, target, self.classes)
        right = torch.where(predicted == target, target, self.classes)
        counts = torch.stack([torch.bincount(of, minlength=self.classes + 1)[: self.classes] for of in (right, predicted, target)])
        self.counts = counts if self.counts is None else self.counts + counts

    def compute(self) -> dict[str, float]:
        if self.counts is None:
            return dict.fromkeys(self.metrics, float("nan"))
        counts = Counts(*self.counts.cpu().double().numpy())
        return {name: metric(counts) for name, metric in self.metrics.items()}


class LabelsMeasurement(Measurement):
    """``f1``, ``map`` and ``exact`` of logits (n, K) against 0 or 1 (n, K). A class is predicted where its probability is above ``threshold``.

    ``map`` needs the order of all images, so they are kept until the end.
    """

    def __init__(self, threshold: float):
        self.threshold = threshold
        self.scores: list[Tensor] = []
        self.targets: list[Tensor] = []

    def update(self, output: Tensor, target: Tensor) -> None:
        self.scores.append(output.sigmoid())
        self.targets.append(target > 0)

    def compute(self) -> dict[str, float]:
        if not self.scores:
            return dict.fromkeys(("f1", "map", "exact"), float("nan"))
        scores, truth = torch.cat(self.scores).float().cpu().numpy(), torch.cat(self.targets).cpu().numpy()
        said = scores > self.threshold
        precision = [average_precision(scores[:, place], truth[:, place]) for place in np.flatnonzero(truth.any(0))]
        return {"f1": mean_label_f1(said, truth), "map": float(np.mean(precision)) if precision else float("nan"), "exact": exact_share(said, truth)}


def mean_label_f1(said: np.ndarray, truth: np.ndarray) -> float:
    """F1, mean over the classes that occur; NaN if none does. ``said``, ``truth``: bool (N, K)."""
    there = truth.any(0)
    said, truth = said[:, there], truth[:, there]
    return _mean(2.0 * (said & truth).sum(0), said.sum(0) + truth.sum(0))


def exact_share(said: np.ndarray, truth: np.ndarray) -> float:
    """Share of the images of which every class is right; NaN without an image. ``said``, ``truth``: bool (N, K)."""
    return float((said == truth).all(1).mean()) if len(truth) else float("nan")


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Mean of the precision at each score, weighted by the recall that it adds, as in scikit-learn.

    Args:
        scores: (N,). truth: bool (N,), with a True.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # equal scores count together
    found = truth[order].cumsum()[ends]
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / found[-1])
