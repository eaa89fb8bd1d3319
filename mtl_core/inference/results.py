"""What ``predict`` gives for an image: one typed result per task, in the pixels of the image as it was handed in.

================ ==================== ===================================================================================
kind             result               holds
================ ==================== ===================================================================================
classification   ``OneClass``         probabilities (K,), the best class's index and name
multi_label      ``ManyClasses``      probabilities (K,), names of those at 0.5 or more
regression       ``Number``           value, unit
segmentation     ``Mask``             classes uint8 (H, W); 255 where the network was not shown that part
depth            ``DepthMap``         values float32 (H, W), unit; NaN where the network was not shown that part
detection        ``Boxes``            boxes float32 (B, 4) x1, y1, x2, y2 in pixels, classes (B,), scores (B,), best first
any other        ``Decoded``          what the kind decodes, in the network's own frame
================ ==================== ===================================================================================

H and W are those of the image handed in. ``decoded`` of each is the same in the layout of ``mtl_core.tasks.kind``, one row, for drawing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_core.data.dataset import IGNORE, Task
from mtl_core.inference.fit import Fit, boxes_back, classes_back, values_back
from mtl_core.registry import unknown_name

PRESENT = 0.5  # probability from which a class of a multi-label task counts as there


@dataclass(frozen=True)
class TaskResult:
    """Parent of every result: the task, and its prediction as the kind draws it."""

    task: Task
    decoded: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; without what belongs into a picture."""
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
    """Boxes, best first; all that the run's score threshold lets through."""

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
    """The prediction of a kind that is not known here, as it decodes it."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.task.kind, "values": self.decoded.tolist()}


@dataclass(frozen=True)
class ImagePrediction:
    """All tasks of one image.

    Attributes:
        size: (height, width) of the image handed in.
        tasks: result by task name, in the run's order.
        raw: the same predictions before they were brought back to the image, one row each of the layout of ``mtl_core.tasks.kind``.
        frame: uint8 (h, w, 3): the image as the network was shown it.
        fit: where the image stands in that frame.
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
    result, bring_back = _RESULTS.get(task.kind, (Decoded, _as_it_is))
    return result(task, bring_back(row, placed))


def _boxes(rows: np.ndarray, placed: Fit) -> np.ndarray:
    real = rows[rows[:, 4] >= 0]
    back = np.concatenate([boxes_back(real[:, :4], placed), real[:, 4:]], axis=1).astype(np.float32)
    return back[(back[:, 2] > back[:, 0]) & (back[:, 3] > back[:, 1])]  # one in a bar beside the image is none


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
