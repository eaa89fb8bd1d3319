"""Metrics of named points: PCK, OKS AP by COCO's rules, distances. No torch.

Targets have one object per image and no area, so the frame's area is used. Rows are laid out as in ``mtl_core.tasks.keypoints``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_core.analysis.evaluation.findings import THRESHOLD, Findings, KindEvaluation, joined, ratio
from mtl_core.data.dataset import Task
from mtl_core.events import Metric

NEAR = 0.1  # PCK's limit, as a share of the frame's longer side
OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
METRICS = (
    Metric("pck", "Points within 10 % of the frame", "", True),
    Metric("oks_ap", "OKS AP, 0.50 to 0.95", "", True),
    Metric("oks_ap_50", "OKS AP at 0.50", "", True),
    Metric("error", "Mean distance", "pixels", False),
    Metric("there", "Points rightly said to be there or not", "", True),
)


class Found:
    """Points and targets of one pass, in pixels, and their metrics.

    Args:
        sigmas: (K,), tolerance of each point as a share of the object's size; COCO's kappa is twice as large.
    """

    def __init__(self, sigmas: np.ndarray):
        self.sigmas = sigmas
        self.distances: list[np.ndarray] = []  # (n, K) in pixels
        self.labelled: list[np.ndarray] = []  # bool (n, K)
        self.scores: list[np.ndarray] = []  # (n, K)
        self.size = (1, 1)

    def add(self, predictions: np.ndarray, targets: np.ndarray, size: tuple[int, int]) -> None:
        """Rows as in the module's docstring. ``size``: (height, width)."""
        self.size = size
        off = (predictions[..., :2].astype(np.float64) - targets[..., :2]) * (size[1], size[0])
        self.distances.append(np.sqrt((off**2).sum(-1)))
        self.labelled.append(targets[..., 2] > 0)
        self.scores.append(predictions[..., 2].astype(np.float64))

    def measured(self) -> dict[str, Any]:
        """Values by metric name, and ``pck_of_each``, ``error_of_each`` and ``support`` (K,). NaN if nothing is labelled."""
        count = len(self.sigmas)
        distances, labelled, scores = joined(self.distances, (0, count)), joined(self.labelled, (0, count), bool), joined(self.scores, (0, count))
        near = (distances <= NEAR * max(self.size)) & labelled
        support, precision = labelled.sum(0), self._precisions(distances, labelled, scores)
        return {
            "pck": float(near.sum() / labelled.sum()) if labelled.any() else np.nan,
            "oks_ap": float(precision.mean()),
            "oks_ap_50": float(precision[0]),
            "error": float(distances[labelled].mean()) if labelled.any() else np.nan,
            "there": float(((scores >= THRESHOLD) == labelled).mean()) if labelled.size else np.nan,
            "pck_of_each": ratio(near.sum(0), support),
            "error_of_each": ratio(np.where(labelled, distances, 0.0).sum(0), support),
            "support": support.astype(float),
        }

    def _precisions(self, distances: np.ndarray, labelled: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """(10,): average precision at each OKS. Each image has one object and one prediction; images without a labelled point are left out.

        A prediction's score is the mean over its points, as in COCO's results.
        """
        counted = labelled.any(1)
        if not counted.any():
            return np.full(len(OKS_THRESHOLDS), np.nan)
        found, order = self.oks(distances, labelled)[counted], np.argsort(-scores.mean(1)[counted], kind="mergesort")
        return np.array([average_precision(found[order] >= least) for least in OKS_THRESHOLDS])

    def oks(self, distances: np.ndarray, labelled: np.ndarray) -> np.ndarray:
        """(n,): object keypoint similarity, mean over labelled points of exp(-d^2 / (2 area (2 sigma)^2)); 0 without any."""
        spread = 2 * self.size[0] * self.size[1] * (2 * self.sigmas) ** 2
        return np.where(labelled, np.exp(-(distances**2) / spread), 0.0).sum(1) / np.maximum(labelled.sum(1), 1)


def average_precision(right: np.ndarray) -> float:
    """COCO's average precision: mean over 101 recalls of the best precision from there on. ``right``: bool (n,), best first, one object each."""
    hits = np.cumsum(right)
    recall, precision = hits / len(right), hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, RECALLS, side="left")
    return float(np.where(place < len(right), best[np.minimum(place, len(right) - 1)], 0.0).mean())


class KeypointsEvaluation(KindEvaluation):
    """The metrics on a whole split, and for each point."""

    def __init__(self, task: Task):
        super().__init__(task)
        self.found = Found(sigmas_of(task))

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        self.found.add(predictions, targets, self.size)

    def compute(self) -> Findings:
        values = self.found.measured()
        return Findings(
            [(metric, values[metric.name]) for metric in METRICS],
            [
                (METRICS[0], values["pck_of_each"]),
                (METRICS[3], values["error_of_each"]),
                (Metric("support", "Images", "", True), values["support"]),
            ],
        )


def sigmas_of(task: Task) -> np.ndarray:
    """(K,): the task's sigmas, or 1 / K for each point if it has none (as in Ultralytics' pose validation)."""
    count = max(1, len(task.classes))
    return np.asarray(task.sigmas, float) if task.sigmas else np.full(count, 1 / count)
