"""What a task's main metric on val is for who always answers the same: the mean, the most frequent class. No task is learnt that is no better.

The answers are those that the training images suggest. F1 of several labels rewards claiming everything, so the best of "nothing", "what is in at
least half of the images" and "everything" counts. Detection: no box, 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.tasks.kind import TaskKind

MOST_IMAGES = 1000  # of val, evenly spread
_BATCH = 16

Answer = Callable[[int], Tensor]  # number of images -> the head's output


def constant_answer(kind: TaskKind, val: MultiTaskDataset) -> float | None:
    """The main metric of the best constant answer; None where that is not known (self-supervised, kinds from outside) or not defined."""
    answers, target = _ANSWERS.get(kind.task.kind), kind.task.target
    if kind.task.kind == "detection":
        return 0.0
    if answers is None or target not in val.targets:
        return None
    rows = np.flatnonzero(val.labelled[target])
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_IMAGES)).astype(int))] if len(rows) else rows
    metric, found = kind.metrics[0], []
    for answer in answers(kind):
        measurement = kind.measurement()
        for start in range(0, len(rows), _BATCH):
            true = torch.from_numpy(np.array(val.targets[target][rows[start : start + _BATCH]]))
            measurement.update(answer(len(true)), true)
        value = measurement.compute()[metric.name] if len(rows) else math.nan
        if math.isfinite(value):
            found.append(value)
    return (max(found) if metric.higher_is_better else min(found)) if found else None


def _classes(kind: TaskKind) -> list[Answer]:
    """The class that most training images or pixels have."""
    counts = torch.tensor(kind.target_statistics["class_counts"], dtype=torch.float32)
    scores = (torch.arange(len(counts)) == counts.argmax()).float()
    shape = (1, -1, 1, 1) if kind.task.kind == "segmentation" else (1, -1)
    size = kind.image_size if kind.task.kind == "segmentation" else ()
    return [lambda count: scores.view(shape).expand(count, len(counts), *size)]


def _labels(kind: TaskKind) -> list[Answer]:
    counts = torch.tensor(kind.target_statistics["class_counts"], dtype=torch.float32)
    images = float(kind.target_statistics.get("count") or 2 * counts.max())
    said = [torch.full_like(counts, -1.0), torch.where(counts * 2 >= images, 1.0, -1.0), torch.full_like(counts, 1.0)]
    return [lambda count, one=one: one.expand(count, len(counts)) for one in said]


def _mean(kind: TaskKind) -> list[Answer]:
    """Standardised numbers have the mean 0."""
    size = kind.image_size if kind.task.kind == "depth" else ()
    return [lambda count: torch.zeros(count, 1, *size)]


def _facing(kind: TaskKind) -> list[Answer]:
    """Each of the six directions along the axes, everywhere."""
    ways = [sign * torch.eye(3)[axis].view(1, 3, 1, 1) for axis in range(3) for sign in (1, -1)]
    return [lambda count, way=way: way.expand(count, 3, *kind.image_size) for way in ways]


_ANSWERS: dict[str, Callable[[TaskKind], list[Answer]]] = {
    "classification": _classes,
    "segmentation": _classes,
    "multi_label": _labels,
    "regression": _mean,
    "depth": _mean,
    "normals": _facing,
}
