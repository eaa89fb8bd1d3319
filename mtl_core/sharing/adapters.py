"""Adapters: one trunk, and a small residual module for each task after every stage (Rebuffi et al. 2018, https://arxiv.org/abs/1803.10082)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import Group, SharingOptions
from mtl_core.sharing.staged import StagedSharing

SMALL = 1e-3  # spread of an adapter's last weights at the start: the network begins as the trunk alone, and all weights have a gradient


class AdaptersOptions(SharingOptions):
    """Options of adapters."""

    rank: int = Field(8, ge=1, le=1024, description="Inner channels of an adapter. A smaller one learns less, and costs less.")
    frozen_trunk: bool = Field(
        False, description="Train the adapters and heads only. The trunk keeps the weights that it begins with, so it should begin with trained ones."
    )


class Adapters(StagedSharing):
    """x_t^l = y + B_t^l A_t^l y, y = f^l(x_t^(l-1)): the stages f^l are shared, the matrices A (rank x C) and B (C x rank) are task t's (in
    series). Each task runs through the trunk with its own activations.

    Deviations: an adapter follows a stage, not every convolution, has low rank and no batch normalisation of its own; A begins as a layer of torch
    does, B with a spread of 0.001. The trunk may be trained. The trunk's batch normalisation sees the tasks' activations one after the other; a
    frozen trunk's stays in evaluation mode.
    """

    title: ClassVar[str] = "Adapters"
    summary: ClassVar[str] = "One shared network. After every stage, a small module per task corrects what the task reads."
    can_add_tasks: ClassVar[bool] = True
    parts_by_task: ClassVar[tuple[str, ...]] = ("heads", "adapters")
    Options = AdaptersOptions
    options: AdaptersOptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: AdaptersOptions) -> Sequence[FeatureInfo]:
        self.is_frozen = options.frozen_trunk
        if self.is_frozen:
            self.backbone.requires_grad_(False)
        self.adapters = Heads({task: nn.ModuleList(_Adapter(stage.gives, options.rank) for stage in self.stages) for task in self.tasks})
        return self.backbone.features

    def train(self, mode: bool = True) -> Adapters:
        super().train(mode)
        if len(self.tasks) > 1 and self.is_frozen:
            self.backbone.eval()
        return self

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        first = self.stages[0](images)  # before it no task has anything of its own
        features: dict[str, list[Tensor]] = {}
        for task in tasks:
            value, features[task] = first, []
            for place, stage in enumerate(self.stages):
                value = self.adapters[task][place](stage(value) if place else first)
                if stage.is_feature:
                    features[task].append(value)
        return features

    def part_groups(self) -> list[Group]:
        trunk = [Group(stage.name, stage.parameters(), self.tasks) for stage in self.stages]
        own = [
            Group(f"adapter of {task} after {stage.name}", module.parameters(), [task])
            for task, modules in self.adapters.items()
            for stage, module in zip(self.stages, modules, strict=True)
        ]
        return [*trunk, *own]


class _Adapter(nn.Module):
    """x + B A x, for each place of a map."""

    def __init__(self, info: FeatureInfo, rank: int):
        super().__init__()
        channels = info.channels
        if info.stride is None:
            self.down, self.up = nn.Linear(channels, rank, bias=False), nn.Linear(rank, channels, bias=False)
        else:
            self.down, self.up = nn.Conv2d(channels, rank, 1, bias=False), nn.Conv2d(rank, channels, 1, bias=False)
        nn.init.normal_(self.up.weight, std=SMALL)

    def forward(self, value: Tensor) -> Tensor:
        return value + self.up(self.down(value))
