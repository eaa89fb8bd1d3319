"""The layout of targets in arrays, and statistics of a split's targets. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

_STATISTICS_CHUNK, _CHUNK = 512, 256  # images at a time


@dataclass(frozen=True)
class TargetLayout:
    """The layout of one row of targets.

    Attributes:
        shape: shape of the row. The first side of a list is the length of the longest list of the data set (at least 1).
        dtype: type of its numbers.
        empty: content of the row of an image without a target; a number, or an array of ``shape``.
        is_list: rows are lists, such as boxes, of which images have any number.
    """

    shape: tuple[int, ...]
    dtype: type
    empty: float | np.ndarray
    is_list: bool = False

    def row(self, length: int = 1) -> np.ndarray:
        """An empty row; of a list, ``length`` empty entries."""
        shape = (max(1, length), *self.shape[1:]) if self.is_list else self.shape
        return np.broadcast_to(np.asarray(self.empty, self.dtype), shape).copy()

    def stacked(self, rows: list[np.ndarray | None]) -> np.ndarray:
        """The rows stacked; None is an image without the target, and lists are padded to the longest."""
        if not self.is_list:
            blank = self.row()
            filled = [blank if row is None else np.asarray(row, self.dtype) for row in rows]
            return np.stack(filled) if filled else np.empty((0, *self.shape), self.dtype)
        longest = max((len(row) for row in rows if row is not None), default=1)
        whole = np.stack([self.row(longest) for _ in rows]) if rows else np.empty((0, 1, *self.shape[1:]), self.dtype)
        for place, row in enumerate(rows):
            if row is not None:
                whole[place, : len(row)] = row
        return whole


@dataclass(frozen=True)
class Contents:
    """Statistics of the labelled images of a split.

    Attributes:
        amount_per_class: int64 (K,) boxes or pixels; empty for kinds whose classes are present or absent.
        unknown: pixels without a class.
        boxes: float32 (B, 2) width and height in pixels of every box.
        boxes_per_image: int64 (labelled,); empty for kinds without boxes.
    """

    amount_per_class: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    unknown: int = 0
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    boxes_per_image: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


def chunks(rows: np.ndarray, size: int = 0) -> Iterator[np.ndarray]:
    """Split rows into chunks, for arrays larger than memory."""
    size = size or _CHUNK
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def class_presence(values: np.ndarray, classes: int, of_one: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """bool (n, classes): the class numbers that ``of_one`` finds in each row."""
    present = np.zeros((len(values), classes), bool)
    for place, row in enumerate(values):
        found = of_one(row).ravel()
        present[place] = np.bincount(found, minlength=classes)[:classes] > 0
    return present


def moments(values: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of the known values of some rows; 0 and 1 if there is none."""
    count, total, squares = 0, 0.0, 0.0
    parts = list(chunks(rows, _STATISTICS_CHUNK))
    for chunk in parts:
        known = _known(values[chunk])
        count, total = count + known.size, total + float(known.sum())
    if count == 0:
        return {"mean": 0.0, "std": 1.0}
    mean = total / count
    for chunk in parts:  # a second pass, because a difference of large sums would lose precision
        differences = _known(values[chunk])
        differences -= mean
        differences *= differences
        squares += float(differences.sum())
    return {"mean": mean, "std": (squares / count) ** 0.5}


def _known(values: np.ndarray) -> np.ndarray:
    """The finite values in a row: float64 (n,), a copy."""
    values = values.astype(np.float64).ravel()
    is_known = np.isfinite(values)
    return values if is_known.all() else values[is_known]


def level_counts(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """int64 (256,): how often each byte occurs in some rows."""
    counts = np.zeros(256, np.int64)
    for chunk in chunks(rows):
        counts += np.bincount(values[chunk].ravel(), minlength=256)
    return counts
