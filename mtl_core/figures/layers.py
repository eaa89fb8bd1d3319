"""Targets and predictions as layers that a browser draws by itself; which primitive (``mtl_core.figures.primitives``), each task kind says.

The layer of a self-supervised task's target has ``seen`` besides: packed RGB bytes of the changed image that it is shown.
"""

from __future__ import annotations

import numpy as np

from mtl_core.data.dataset import Task
from mtl_core.figures.primitives import Layer, packed
from mtl_core.tasks import TASK_KINDS

__all__ = ["Layer", "packed", "prediction_layer", "target_layer"]


def target_layer(task: Task, image: np.ndarray, target: np.ndarray) -> Layer:
    """One image's target. ``image``: uint8 (H, W, 3)."""
    return TASK_KINDS.load(task.kind).target_layer(task, image, target).packed()


def prediction_layer(task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Layer:
    """One image's prediction; of ``candidates``, where there are any, the viewer chooses again."""
    return TASK_KINDS.load(task.kind).prediction_layer(task, image, prediction, candidates).packed()
