"""The main metric of a constant answer (the mean, the most frequent class) on val. A network that is not better has not learnt the task.

Each task kind derives its constant answers from the training targets (``TaskKind.constant_answers``); the best of them counts.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from mtl_core.data.dataset import MultiTaskDataset
from mtl_core.tasks.kind import TaskKind

MOST_IMAGES = 1000  # of val, evenly spread
_BATCH = 16


def constant_answer(kind: TaskKind, val: MultiTaskDataset) -> float | None:
    """The main metric of the best constant answer; None if it is unknown (self-supervised tasks, kinds of other packages) or not defined."""
    if (known := kind.constant_score()) is not None:
        return known
    answers, target = kind.constant_answers(), kind.task.target
    if answers is None or target not in val.targets:
        return None
    rows = np.flatnonzero(val.labelled[target])
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_IMAGES)).astype(int))] if len(rows) else rows
    metric, found = kind.metrics[0], []
    for answer in answers:
        measurement = kind.measurement()
        for start in range(0, len(rows), _BATCH):
            true = torch.from_numpy(np.array(val.targets[target][rows[start : start + _BATCH]]))
            measurement.update(answer(len(true)), true)
        value = measurement.compute()[metric.name] if len(rows) else math.nan
        if math.isfinite(value):
            found.append(value)
    return (max(found) if metric.higher_is_better else min(found)) if found else None
