"""TaskResult: the result of ``predict`` for one task of one image. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_core.data.dataset import Task


@dataclass(frozen=True)
class TaskResult:
    """Parent of every result: the task and its decoded prediction, in pixels of the given image."""

    task: Task
    decoded: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        """JSON-able values, without maps that belong into image files."""
        raise NotImplementedError

    def in_short(self) -> str:
        """A summary in a few words; may be empty."""
        return ""


@dataclass(frozen=True)
class Decoded(TaskResult):
    """The decoded prediction of a kind without a result class of its own, in the network's frame."""

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.task.kind, "values": self.decoded.tolist()}


def by_class(task: Task, values: np.ndarray) -> dict[str, float]:
    """Class -> its value."""
    return {name: float(value) for name, value in zip(task.classes, values, strict=True)}
