"""KindEvaluation and Findings: evaluation of one task's predictions, batch by batch, and its results. A Metric describes each number. No torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np

from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.language import mark

THRESHOLD = 0.5  # probability from which a class counts as predicted
OUTCOMES = (mark("found"), mark("missed"), mark("false positive"), mark("true negative"))  # columns of a multi-label matrix
MISSED, MADE_UP = OUTCOMES[1], OUTCOMES[2]  # the last column and the last row of a matrix of boxes


@dataclass(frozen=True)
class Cells:
    """A confusion matrix that also holds the images of each cell.

    Attributes:
        rows, columns: names of the true and of the predicted classes.
        counted: plural noun of the counted items: images, pixels, boxes.
        entries: int64 (E, 4): image (row of the split), row, column, count.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counted: str
    entries: np.ndarray

    def matrix(self) -> np.ndarray:
        """int64 (R, C)."""
        found = np.zeros((len(self.rows), len(self.columns)), dtype=np.int64)
        np.add.at(found, (self.entries[:, 1], self.entries[:, 2]), self.entries[:, 3])
        return found

    def images(self, row: int, column: int) -> tuple[np.ndarray, np.ndarray]:
        """The images of a cell and each one's count, largest first."""
        chosen = self.entries[(self.entries[:, 1] == row) & (self.entries[:, 2] == column)]
        images, place = np.unique(chosen[:, 0], return_inverse=True)
        counts = np.bincount(place, weights=chosen[:, 3], minlength=len(images)).astype(np.int64)
        order = np.argsort(-counts, kind="stable")
        return images[order], counts[order]


@dataclass(frozen=True)
class Findings:
    """The results of the evaluation of one task.

    Attributes:
        values: (Metric, value) for the task as a whole; NaN if not defined.
        class_values: (Metric, (K,)) for each class; NaN if not defined.
        cells: a confusion matrix; None without classes.
        arrays: arrays for charts; the module docstring of each evaluation gives names and shapes.
    """

    values: list[tuple[Metric, float]]
    class_values: list[tuple[Metric, np.ndarray]] = field(default_factory=list)
    cells: Cells | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class KindEvaluation(ABC):
    """One task's evaluation over one pass. ``size``: (height, width) of the images, set by the caller."""

    size: tuple[int, int] = (1, 1)

    def __init__(self, task: Task):
        self.task = task

    @abstractmethod
    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        """Add a batch of labelled images: decoded predictions (``mtl_core.tasks.kind``), targets, and int64 rows of the split."""

    @abstractmethod
    def compute(self) -> Findings:
        """The results over all batches. Values that are not defined are NaN, also without any image."""


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """float64: ``part / whole``, NaN where ``whole`` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def mean(values: np.ndarray) -> float:
    """Mean over the values that are not NaN; NaN if all are."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def joined(parts: list[np.ndarray], empty: tuple[int, ...], kind: type = float) -> np.ndarray:
    """The arrays of all batches concatenated; an array of the shape ``empty`` without batches."""
    return np.concatenate(parts) if parts else np.zeros(empty, dtype=kind)
