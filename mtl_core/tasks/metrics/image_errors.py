"""SampleErrors: one error per image. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SampleErrors:
    """One task's errors on n images.

    Attributes:
        values: float32 (n,), 0 for a perfect prediction; NaN if not defined (no target, every pixel ignored).
        mistakes: bool (n,), True for a wrong prediction (class, set of classes, missed box or false positive);
            None for kinds with continuous targets.
        title: the error's name on screen.
        unit: unit of the values: empty for a share of 1, ``"unit"`` for the task's own unit, or a unit such as ``"degrees"``.
    """

    values: np.ndarray
    mistakes: np.ndarray | None
    title: str
    unit: str


def of_each(error: Callable[[np.ndarray, np.ndarray], float], predictions: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """float32 (n,): ``error`` of each prediction and its target."""
    return np.array([error(*pair) for pair in zip(predictions, targets, strict=True)], dtype=np.float32)


def angles(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """float64 (P,): angles in degrees between two maps of vectors (3, H, W), at pixels with a target (neither zero nor NaN)."""
    target = np.nan_to_num(target.astype(float))
    known = np.square(target).sum(0) > 0.25  # between no vector and a unit vector
    said, true = predicted[:, known].astype(float), target[:, known]
    lengths = np.linalg.norm(said, axis=0) * np.linalg.norm(true, axis=0)
    return np.degrees(np.arccos(np.clip((said * true).sum(0) / np.maximum(lengths, 1e-8), -1, 1)))
