"""TaskResult: what ``predict`` gives of one task of one image. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_core.data.dataset import Task


@dataclass(frozen=True)
class TaskResult:
    """Parent of every result: the task, and its prediction as the kind draws it, in the pixels of the image handed in."""

    task: Task
    decoded: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; without what belongs into a picture."""
        raise NotImplementedError

    def in_short(self) -> str:
        """What can be said of it in a few words; empty for nothing."""
        return ""


@dataclass(frozen=True)
class Decoded(TaskResult):
    """The prediction of a kind that says no more about it, as it decodes it, in the network's own frame."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.task.kind, "values": self.decoded.tolist()}


def by_class(task: Task, values: np.ndarray) -> dict[str, float]:
    """Class -> its value."""
    return {name: float(value) for name, value in zip(task.classes, values, strict=True)}
