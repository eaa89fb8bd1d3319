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
any other        ``Decoded``          the kind's decoded prediction, in the network's frame
================ ==================== ===================================================================================

H and W are those of the given image. ``decoded`` has the same prediction as one row in the layout of ``mtl_core.tasks.kind``, for drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_core.data.dataset import IGNORE, Task
from mtl_core.inference.fit import Fit, boxes_back, classes_back, values_back
from mtl_core.registry import unknown_name

PRESENT = 0.5  # probability from which a class of a multi-label task counts as present


@dataclass(frozen=True)
class TaskResult:
    """Parent of every result: the task, and its prediction as the kind draws it."""

    task: Task
    decoded: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-able values, without masks and maps."""
        raise NotImplementedError


@dataclass(frozen=True)
class OneClass(TaskResult):
    """A class. ``probabilities`` float32 (K,) sum to 1."""

    @property
    def probabilities(self) -> np.ndarray:
        return self.decoded

    @property
    def index(self) -> int:
        return int(self.decoded.argmax())

    @property
    def name(self) -> str:
        return self.task.classes[self.index]

    def to_dict(self) -> dict[str, Any]:
        return {"class": self.name, "probability": float(self.decoded.max()), "probabilities": _by_class(self.task, self.decoded)}


@dataclass(frozen=True)
class ManyClasses(TaskResult):
    """Any number of classes. ``probabilities`` float32 (K,), each by itself in 0..1."""

    @property
    def probabilities(self) -> np.ndarray:
        return self.decoded

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.task.classes[index] for index in np.flatnonzero(self.decoded >= PRESENT))

    def to_dict(self) -> dict[str, Any]:
        return {"classes": list(self.names), "probabilities": _by_class(self.task, self.decoded)}


@dataclass(frozen=True)
class Number(TaskResult):
    """A number in the task's unit."""

    @property
    def value(self) -> float:
        return float(self.decoded)

    @property
    def unit(self) -> str:
        return self.task.unit

    def to_dict(self) -> dict[str, Any]:
        return {"value": self.value, "unit": self.unit}


@dataclass(frozen=True)
class Mask(TaskResult):
    """``classes``: class index per pixel, uint8 (H, W)."""

    @property
    def classes(self) -> np.ndarray:
        return self.decoded

    def to_dict(self) -> dict[str, Any]:
        seen = max(1, int((self.decoded != IGNORE).sum()))
        shares = {name: float((self.decoded == index).sum() / seen) for index, name in enumerate(self.task.classes)}
        return {"pixel_shares": {name: share for name, share in shares.items() if share > 0}}


@dataclass(frozen=True)
class DepthMap(TaskResult):
    """``values``: distance per pixel in the task's unit, float32 (H, W)."""

    @property
    def values(self) -> np.ndarray:
        return self.decoded

    @property
    def unit(self) -> str:
        return self.task.unit

    def to_dict(self) -> dict[str, Any]:
        if not np.isfinite(self.decoded).any():
            return {"unit": self.unit}
        low, middle, high = (float(value) for value in np.nanpercentile(self.decoded, (0, 50, 100)))
        return {"unit": self.unit, "nearest": low, "median": middle, "farthest": high}


@dataclass(frozen=True)
class Boxes(TaskResult):
    """Boxes above the run's score threshold, best first."""

    @property
    def boxes(self) -> np.ndarray:
        return self.decoded[:, :4]

    @property
    def classes(self) -> np.ndarray:
        return self.decoded[:, 4].astype(np.int64)

    @property
    def scores(self) -> np.ndarray:
        return self.decoded[:, 5]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.task.classes[index] for index in self.classes)

    def to_dict(self) -> dict[str, Any]:
        rows = zip(self.boxes.tolist(), self.names, self.scores.tolist(), strict=True)
        return {"boxes": [{"box": box, "class": name, "score": score} for box, name, score in rows]}


@dataclass(frozen=True)
class Decoded(TaskResult):
    """The decoded prediction of a kind without a result type of its own."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.task.kind, "values": self.decoded.tolist()}


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
    """The result of one row of decoded predictions, mapped from the network's frame to the image."""
    result, bring_back = _RESULTS.get(task.kind, (Decoded, _as_it_is))
    return result(task, bring_back(row, placed))


def _boxes(rows: np.ndarray, placed: Fit) -> np.ndarray:
    real = rows[rows[:, 4] >= 0]
    back = np.concatenate([boxes_back(real[:, :4], placed), real[:, 4:]], axis=1).astype(np.float32)
    return back[(back[:, 2] > back[:, 0]) & (back[:, 3] > back[:, 1])]  # drops boxes that lie in a bar beside the image


def _as_it_is(row: np.ndarray, placed: Fit) -> np.ndarray:
    return row


_RESULTS: dict[str, tuple[type[TaskResult], Callable[[np.ndarray, Fit], np.ndarray]]] = {
    "classification": (OneClass, _as_it_is),
    "multi_label": (ManyClasses, _as_it_is),
    "regression": (Number, _as_it_is),
    "segmentation": (Mask, classes_back),
    "depth": (DepthMap, values_back),
    "detection": (Boxes, _boxes),
}


def _by_class(task: Task, values: np.ndarray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(task.classes, values, strict=True)}
