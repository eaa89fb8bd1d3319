"""Results of ``predict`` for an image: one typed result per task, in pixels of the given image.

================ ==================== ===================================================================================
kind             result               holds
================ ==================== ===================================================================================
classification   ``OneClass``         probabilities (K,), the best class's index and name
multi_label      ``ManyClasses``      probabilities (K,), names of those at 0.5 or more
regression       ``Number``           value, unit
segmentation     ``Mask``             classes uint8 (H, W); 255 outside the network's frame
depth            ``DepthMap``         values float32 (H, W), unit; NaN outside the network's frame
detection        ``Boxes``            boxes float32 (B, 4) x1, y1, x2, y2 in pixels, classes (B,), scores (B,), best first
keypoints        ``NamedPoints``      points float32 (K, 2) x, y as shares of the image's width and height, scores (K,)
any other        ``Decoded``          what the kind decodes, in the network's own frame
================ ==================== ===================================================================================

H and W are those of the given image. ``decoded`` has the same prediction as one row in the layout of ``mtl_core.tasks.kind``, for drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_core.data.dataset import Task
from mtl_core.inference.fit import Fit, moved_back
from mtl_core.registry import unknown_name
from mtl_core.tasks import kind_of
from mtl_core.tasks.classification import OneClass
from mtl_core.tasks.depth import DepthMap
from mtl_core.tasks.detection import Boxes
from mtl_core.tasks.keypoints import NamedPoints
from mtl_core.tasks.multi_label import ManyClasses
from mtl_core.tasks.regression import Number
from mtl_core.tasks.segmentation import Mask
from mtl_core.tasks.task_result import Decoded, TaskResult

__all__ = ["Boxes", "Decoded", "DepthMap", "ImagePrediction", "ManyClasses", "Mask", "NamedPoints", "Number", "OneClass", "TaskResult", "on_image"]


@dataclass(frozen=True)
class ImagePrediction:
    """All tasks of one image.

    Attributes:
        size: (height, width) of the given image.
        tasks: result by task name, in the run's order.
        raw: the predictions in the network's frame, one row each in the layout of ``mtl_core.tasks.kind``.
        frame: uint8 (h, w, 3): the network's input image.
        fit: place of the image in that frame.
    """

    size: tuple[int, int]
    tasks: dict[str, TaskResult]
    raw: dict[str, np.ndarray]
    frame: np.ndarray
    fit: Fit

    def __getitem__(self, task: str) -> TaskResult:
        if task not in self.tasks:
            raise KeyError(unknown_name("task", task, self.tasks))
        return self.tasks[task]

    def __repr__(self) -> str:
        height, width = self.size
        tasks = ", ".join(f"{name} ({result.task.kind})" for name, result in self.tasks.items())
        return f"<prediction of an image of {width} x {height} pixels: {tasks}>"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able: ``{"height", "width", "tasks": {name: {"kind", ...}}}``."""
        tasks = {name: {"kind": result.task.kind, **result.to_dict()} for name, result in self.tasks.items()}
        return {"height": self.size[0], "width": self.size[1], "tasks": tasks}


def on_image(task: Task, row: np.ndarray, placed: Fit) -> TaskResult:
    """One row of decoded predictions, brought back from the network's frame to the image."""
    result = kind_of(task.kind).Result
    return result(task, row if result is Decoded else moved_back(row, kind_of(task.kind).geometry, placed))
