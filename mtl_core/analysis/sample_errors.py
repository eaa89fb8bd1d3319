"""How wrong a prediction is, image by image: one number each, larger is worse. What pages sort by. No torch.

Predictions are decoded ones, as in ``mtl_core.tasks.kind``; targets as in ``mtl_core.data.dataset``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mtl_core.analysis.box_matching import match_boxes
from mtl_core.data.dataset import IGNORE

THRESHOLD = 0.5  # of a multi-label probability; from here on the class is said to be there
SHOWN_SCORE = 0.3  # boxes below are not drawn, so they are no false alarms either
MATCHING_IOU = 0.5


@dataclass(frozen=True)
class SampleErrors:
    """One task's errors on n images.

    Attributes:
        values: float32 (n,), 0 where all is right; NaN where there is nothing to be right about (no target, every pixel ignored).
        mistakes: bool (n,), True where the prediction is plainly wrong (class, set of classes, a box missed or made up);
            None for kinds that only know more or less.
        title: what the number is, for people.
        unit: of the values: empty for a share of 1, ``"unit"`` for the task's own unit, or a unit such as ``"degrees"``.
    """

    values: np.ndarray
    mistakes: np.ndarray | None
    title: str
    unit: str


def per_sample_errors(kind: str, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray | None = None) -> SampleErrors | None:
    """Errors of n images.

    Args:
        kind: name of the task kind, such as ``"segmentation"``.
        labelled: bool (n,), False where the image lacks the target; None where all have it.

    Returns:
        None for a kind that nothing is known about (one from outside this repository).
    """
    if kind not in ERRORS:
        return None
    if len(predictions) != len(targets):
        raise ValueError(f"{kind}: expected as many predictions as targets, found {len(predictions)} and {len(targets)}")
    count = len(targets)
    rows = np.arange(count) if labelled is None else np.flatnonzero(labelled)
    found = ERRORS[kind](predictions[rows], targets[rows])
    values = np.full(count, np.nan, dtype=np.float32)
    values[rows] = found.values
    mistakes = None
    if found.mistakes is not None:
        mistakes = np.zeros(count, dtype=bool)
        mistakes[rows] = found.mistakes
    return replace(found, values=values, mistakes=mistakes)


def worst_first(values: np.ndarray) -> np.ndarray:
    """int64: rows by falling error, equal ones in their order; rows without an error (NaN) are left out."""
    order = np.argsort(-np.where(np.isnan(values), -np.inf, values), kind="stable")
    return order[: int((~np.isnan(values)).sum())]


def classification(predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
    """1 minus the probability given to the right class. A mistake where another class got more."""
    right = predictions[np.arange(len(targets)), targets]
    return SampleErrors(1.0 - right, predictions.argmax(1) != targets, "1 - probability of the right class", "")


def multi_label(predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
    """Mean over classes of the distance between probability and truth. A mistake where a class is on the wrong side of one half."""
    wrong = ((predictions >= THRESHOLD) != (targets > 0)).any(1)
    return SampleErrors(np.abs(predictions - targets).mean(1), wrong, "Error, mean over classes (0 = perfect)", "")


def regression(predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
    """Absolute error."""
    return SampleErrors(np.abs(predictions - targets), None, "Absolute error", "unit")


def segmentation(predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
    """1 minus the mean IoU over the classes that the image has or was said to have, over pixels that are not ignored."""
    return SampleErrors(_of_each(_segmentation_error, predictions, targets), None, "1 - IoU, mean over the image's classes", "")


def depth(predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
    """Mean absolute error over pixels with a measurement."""
    return SampleErrors(_of_each(_depth_error, predictions, targets), None, "Mean absolute error of the pixels", "unit")


def normals(predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
    """Mean angle over pixels that have a normal."""
    return SampleErrors(_of_each(_normals_error, predictions, targets), None, "Mean angle of the pixels", "°")


def detection(predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
    """1 minus the panoptic quality (Kirillov et al. 2019, https://arxiv.org/abs/1801.00868, eq. 1) of the boxes with a score of at least 0.3.

    So boxes that are missed, made up, of the wrong class or badly placed all count; an image without boxes in which none was found has 0.
    Deviation: boxes for masks, and over all classes at once. A mistake where a box is missed, made up or of the wrong class.
    """
    found = np.array([_detection_error(*pair) for pair in zip(predictions, targets, strict=True)]).reshape(-1, 2)
    return SampleErrors(found[:, 0], found[:, 1] > 0, "1 - quality of the boxes", "")


ERRORS: dict[str, Callable[[np.ndarray, np.ndarray], SampleErrors]] = {
    "classification": classification,
    "multi_label": multi_label,
    "regression": regression,
    "segmentation": segmentation,
    "depth": depth,
    "normals": normals,
    "detection": detection,
}


def _of_each(error: Callable[[np.ndarray, np.ndarray], float], predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.array([error(*pair) for pair in zip(predictions, targets, strict=True)], dtype=np.float32)


def _segmentation_error(predicted: np.ndarray, target: np.ndarray) -> float:
    counted = target != IGNORE
    predicted, target = predicted[counted].astype(np.int64), target[counted].astype(np.int64)
    if not len(target):
        return float("nan")
    length = int(max(predicted.max(), target.max())) + 1
    shared = np.bincount(target[predicted == target], minlength=length)
    union = np.bincount(target, minlength=length) + np.bincount(predicted, minlength=length) - shared
    return float(1.0 - (shared[union > 0] / union[union > 0]).mean())


def _depth_error(predicted: np.ndarray, target: np.ndarray) -> float:
    known = np.isfinite(target)
    return float(np.abs(predicted[known].astype(float) - target[known]).mean()) if known.any() else float("nan")


def angles(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """float64 (P,): degrees between two maps of vectors (3, H, W), at the pixels where the target has one (it is neither zero nor NaN)."""
    target = np.nan_to_num(target.astype(float))
    known = np.square(target).sum(0) > 0.25  # between no vector and a unit vector
    said, true = predicted[:, known].astype(float), target[:, known]
    lengths = np.linalg.norm(said, axis=0) * np.linalg.norm(true, axis=0)
    return np.degrees(np.arccos(np.clip((said * true).sum(0) / np.maximum(lengths, 1e-8), -1, 1)))


def _normals_error(predicted: np.ndarray, target: np.ndarray) -> float:
    found = angles(predicted, target)
    return float(found.mean()) if len(found) else float("nan")


def _detection_error(predicted: np.ndarray, target: np.ndarray) -> tuple[float, bool]:
    predicted = predicted[(predicted[:, 4] >= 0) & (predicted[:, 5] >= SHOWN_SCORE)]
    target = target[target[:, 4] >= 0]
    if not len(predicted) and not len(target):
        return 0.0, False
    matches = match_boxes(predicted, target, MATCHING_IOU)
    right = predicted[matches.predicted, 4] == target[matches.target, 4]
    hits = int(right.sum())
    quality = matches.iou[right].sum() / (hits + (len(predicted) - hits) / 2 + (len(target) - hits) / 2)
    return float(1.0 - quality), hits < max(len(predicted), len(target))
