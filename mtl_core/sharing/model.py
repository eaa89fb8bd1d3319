"""MultiTaskModel: several tasks, one network. One sharing scheme is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone
from mtl_core.tasks.kind import TaskKind


class SharingOptions(BaseModel):
    """Parent of every scheme's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


def trained(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    """Those of some parameters that training changes: a frozen one (``requires_grad`` off) has no gradient to ask for."""
    return [parameter for parameter in parameters if parameter.requires_grad]


class MultiTaskModel(nn.Module, ABC):
    """A network with one output per task.

    Args:
        backbone: what the scheme shares, or takes copies of.
        kinds: the run's tasks by name; each builds its own head.

    Attributes:
        has_shared_features: every task's own part reads the same features, so that gradients can be combined there.
        watch_features: while training, gives each task the features that it reads, so that its gradient there can be looked at.
        only: the tasks whose outputs the next forward passes compute; None for all.
        split_features: while training, cut the graph at those features; the balancer that set this joins it again.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    has_shared_features: ClassVar[bool] = False
    Options: ClassVar[type[SharingOptions]] = SharingOptions

    def __init__(self, backbone: Backbone, kinds: Mapping[str, TaskKind], options: SharingOptions):
        super().__init__()
        self.tasks = tuple(kinds)
        self.split_features = False
        self.only: tuple[str, ...] | None = None
        self.watch_features: Callable[[str, Sequence[Tensor]], Sequence[Tensor]] | None = None

    @abstractmethod
    def forward(self, images: Tensor, parts: Mapping[str, slice] | None = None) -> dict[str, Any]:
        """Normalised images (n, C, H, W) -> raw output per task, of those in ``only``.

        Args:
            parts: which rows each task's own part reads, where tasks see images of their own; None or empty for all rows.
        """

    @abstractmethod
    def shared_parameters(self) -> list[nn.Parameter]:
        """Parameters that more than one task uses, frozen ones too; ``trained`` leaves those out."""

    @abstractmethod
    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """Parameters that only this task uses, frozen ones too."""

    def cut_features(self) -> tuple[list[Tensor], list[Tensor]] | None:
        """As ``take_features``, but they stay to be taken; None where the last forward pass did not cut the graph."""
        return None

    def take_features(self) -> tuple[list[Tensor], list[Tensor]]:
        """Features of the last forward pass as the shared part made them, and the cut-off copies that the heads read. Kept no longer.

        A copy requires a gradient where its feature does: nothing before a frozen part could use one.

        Raises:
            NotImplementedError: the scheme has no shared features.
        """
        raise NotImplementedError(f"{type(self).__name__} has no features that all tasks share")
