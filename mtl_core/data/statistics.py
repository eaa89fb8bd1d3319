"""What is measured on the training split: image mean and spread, and per target the mean and spread or the class counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.tasks import kind_of

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
        targets.setdefault(task.target, {}).update(kind_of(task.kind).statistics(task, data.targets[task.target], rows))
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
