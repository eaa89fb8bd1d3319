"""What is measured on the training split: image mean and spread, and per target the mean and spread or the class counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl_core.data.dataset import MultiTaskDataset, Task

_CHUNK = 512  # images at a time


def measure(data: MultiTaskDataset, tasks: Sequence[Task]) -> dict:
    """``PreparedData.statistics`` of a split. Rows that are not labelled count for nothing.

    Returns:
        ``mean``, ``std``, ``image_shape`` and ``targets``; a target without any known value has mean 0 and std 1.
    """
    mean, std = _image_moments(data.images)
    return {"mean": mean, "std": std, "image_shape": list(data.images.shape[1:]), "targets": measure_targets(data, tasks)}


def measure_targets(data: MultiTaskDataset, tasks: Sequence[Task]) -> dict[str, dict]:
    """The part of them that is about targets."""
    targets: dict[str, dict] = {}
    for task in tasks:
        rows = np.flatnonzero(data.labelled[task.target])
        targets.setdefault(task.target, {}).update(_target_statistics(task, data.targets[task.target], rows))
    return targets


def _image_moments(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and std per channel in 0..1, exact: from how often each of the 256 levels occurs."""
    channels = images.shape[1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), _CHUNK):
        for channel in range(channels):
            counts[channel] += np.bincount(images[start : start + _CHUNK, channel].ravel(), minlength=256)
    levels = np.arange(256) / 255
    total = np.maximum(counts.sum(axis=1), 1)
    mean = counts @ levels / total
    variance = (counts * (levels - mean[:, None]) ** 2).sum(axis=1) / total
    return mean.tolist(), np.sqrt(variance).tolist()


def _target_statistics(task: Task, values: np.ndarray, rows: np.ndarray) -> dict:
    classes = len(task.classes)
    if task.kind in ("regression", "depth"):
        return _moments(values, rows)
    if task.kind == "classification":
        return {"class_counts": np.bincount(values[rows], minlength=classes).tolist()}
    if task.kind == "multi_label":
        return {"class_counts": values[rows].sum(axis=0, dtype=np.int64).tolist()}
    if task.kind == "segmentation":
        return {"class_counts": _pixel_counts(values, rows, classes)}
    if task.kind == "detection":
        found = values[rows][..., 4]
        return {"class_counts": np.bincount(found[found >= 0].astype(np.int64), minlength=classes).tolist()}
    return {}  # a kind from elsewhere measures what it needs itself


def _moments(values: np.ndarray, rows: np.ndarray) -> dict:
    count, total, squares = 0, 0.0, 0.0
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    for chunk in chunks:
        known = values[chunk].astype(np.float64)
        known = known[np.isfinite(known)]
        count, total = count + known.size, total + float(known.sum())
    if count == 0:
        return {"mean": 0.0, "std": 1.0}
    mean = total / count
    for chunk in chunks:  # a second pass, because the difference of large sums would lose the digits that matter
        known = values[chunk].astype(np.float64)
        squares += float(((known[np.isfinite(known)] - mean) ** 2).sum())
    return {"mean": mean, "std": (squares / count) ** 0.5}


def _pixel_counts(values: np.ndarray, rows: np.ndarray, classes: int) -> list[int]:
    counts = np.zeros(256, np.int64)
    for start in range(0, len(rows), _CHUNK):
        counts += np.bincount(values[rows[start : start + _CHUNK]].ravel(), minlength=256)
    return counts[:classes].tolist()  # IGNORE lies beyond any class
