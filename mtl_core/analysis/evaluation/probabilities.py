"""Precision-recall and ROC curves, and calibration, of probabilities; by torchmetrics, one class against the rest."""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.tasks.metrics.metric_library import functional, functional_classification

BINS = 15
CURVE_POINTS = 200
_BELOW_ONE = float(np.nextafter(1.0, 0.0))


def ranking(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Ranking metrics of each class's probabilities.

    Args:
        probabilities: (N, K) in 0..1. truth: bool (N, K).

    Returns:
        Average precision (K,), NaN without a positive; area under the ROC curve (K,), NaN without a positive or without a negative; and the
        curves ``pr`` (K, 2, P: recall, precision) and ``roc`` (K, 2, P: false and true positive rate), thinned and filled up with NaN.
    """
    classes = truth.shape[1]
    precision, area = np.full(classes, np.nan), np.full(classes, np.nan)
    curves = {name: np.full((classes, 2, CURVE_POINTS), np.nan, dtype=np.float32) for name in ("pr", "roc")}
    scores, wanted = torch.from_numpy(np.ascontiguousarray(probabilities.T, dtype=np.float64)), torch.from_numpy(np.ascontiguousarray(truth.T))
    for place in range(classes):
        score, target = scores[place], wanted[place].long()
        positives = int(target.sum())
        if positives == 0:
            continue
        precision[place] = float(functional_classification.binary_average_precision(score, target, validate_args=False))
        curve = functional_classification.binary_precision_recall_curve(score, target, validate_args=False)
        _keep(curves["pr"][place], curve[1], curve[0])
        if positives < len(target):
            area[place] = float(functional_classification.binary_auroc(score, target, validate_args=False))
            curve = functional_classification.binary_roc(score, target, validate_args=False)
            _keep(curves["roc"][place], curve[0], curve[1])
    return precision, area, curves


def _keep(place: np.ndarray, x: torch.Tensor, y: torch.Tensor) -> None:
    """Write points of a curve, evenly spaced along it, both ends included, into ``place``."""
    points = torch.stack([x, y]).numpy()
    if points.shape[1] > place.shape[1]:
        way = np.concatenate([[0.0], np.abs(np.diff(points)).sum(0).cumsum()])
        chosen = np.unique(np.searchsorted(way, np.linspace(0, way[-1], place.shape[1])))
        points = points[:, chosen]
    place[:, : points.shape[1]] = points


def calibration(confidence: np.ndarray, right: np.ndarray) -> tuple[float, np.ndarray]:
    """Expected calibration error (Guo et al. 2017, https://arxiv.org/abs/1706.04599, eq. 3), and the bins of the reliability diagram.

    Args:
        confidence: (N,) in 0..1. right: bool (N,), whether each prediction is right.

    Returns:
        The error, NaN without a sample; and (BINS, 3): count, mean confidence, share of right predictions; NaN in an empty bin.
    """
    if not len(confidence):
        return float("nan"), np.column_stack([np.zeros(BINS), np.full((BINS, 2), np.nan)])
    # torchmetrics gives a confidence of exactly 1 a bin of its own; in the definition it belongs to the last one
    confidence = np.clip(confidence.astype(np.float64), 0.0, _BELOW_ONE)
    error = float(
        functional.calibration_error(torch.from_numpy(confidence), torch.from_numpy(right).long(), task="binary", n_bins=BINS, validate_args=False)
    )
    place = np.searchsorted(np.linspace(0, 1, BINS + 1), confidence, side="right") - 1
    count = np.bincount(place, minlength=BINS).astype(float)
    sums = [np.bincount(place, weights=values, minlength=BINS) for values in (confidence, right.astype(float))]
    means = [np.divide(total, count, out=np.full(BINS, np.nan), where=count > 0) for total in sums]
    return error, np.column_stack([count, *means])
