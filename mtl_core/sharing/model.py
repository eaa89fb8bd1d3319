"""MultiTaskModel: several tasks, one network. One sharing scheme is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone
from mtl_core.tasks.kind import TaskKind


class SharingOptions(BaseModel):
    """Parent of every scheme's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class MultiTaskModel(nn.Module, ABC):
    """A network with one output per task.

    Args:
        backbone: what the scheme shares, or takes copies of.
        kinds: the run's tasks by name; each builds its own head.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[SharingOptions]] = SharingOptions

    def __init__(self, backbone: Backbone, kinds: Mapping[str, TaskKind], options: SharingOptions):
        super().__init__()
        self.tasks = tuple(kinds)

    @abstractmethod
    def forward(self, images: Tensor) -> dict[str, Any]:
        """Normalised images (n, C, H, W) -> raw output per task."""

    @abstractmethod
    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters that receive gradients from more than one task."""

    @abstractmethod
    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Parameters that only this task uses."""
