"""NDDR-CNN: neural discriminative dimensionality reduction (Gao et al. 2019, https://arxiv.org/abs/1801.08297)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import Group, Learnt, SharingOptions
from mtl_core.sharing.staged import StagedSharing, stages_of


class NDDROptions(SharingOptions):
    """Options of NDDR."""

    own_share: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Weight of a task's own channel at the start. The same channels of the others have the rest in equal parts.",
    )


class NDDR(StagedSharing):
    """A column per task; after each stage l a 1x1 convolution of all columns' channels: x~_t^l = relu(BN(W_t^l [x_1^l; ...; x_T^l])).

    W_t^l begins diagonal: 0.9 for the task's own channel and 0.1 / (T - 1) for the same channel of each other column, as the paper recommends.
    Cross-stitch units are the case where it stays diagonal. Deviations: columns begin at random instead of with networks trained for one task;
    the layers' learning rate is that of the network; the variant with shortcuts is left out. For a vector the convolution is a linear layer.
    """

    title: ClassVar[str] = "NDDR"
    summary: ClassVar[str] = "A network for each task. After every stage, each task reduces all networks' channels to as many as it had."
    Options = NDDROptions
    options: NDDROptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: NDDROptions) -> Sequence[FeatureInfo]:
        others = [make_backbone() for _ in self.tasks[1:]]
        self.others = nn.ModuleList(others)
        self.columns = [self.stages, *map(stages_of, others)]
        gives = [stage.gives for stage in self.stages]
        self.reductions = Heads(
            {task: nn.ModuleList(_reduction(info, at, len(self.tasks), options.own_share) for info in gives) for at, task in enumerate(self.tasks)}
        )
        return self.backbone.features

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        streams: dict[str, Tensor] = dict.fromkeys(self.tasks, images)
        features: dict[str, list[Tensor]] = {task: [] for task in tasks}
        for place, stage in enumerate(self.stages):
            made = torch.cat([column[place](stream) for column, stream in zip(self.columns, streams.values(), strict=True)], dim=1)
            wanted = self.tasks if place + 1 < len(self.stages) else tasks
            streams = {task: self.reductions[task][place](made) for task in wanted}
            if stage.is_feature:
                for task in tasks:
                    features[task].append(streams[task])
        return features

    def part_groups(self) -> list[Group]:
        groups, last = [], len(self.stages) - 1
        for place, stage in enumerate(self.stages):
            for task, column in zip(self.tasks, self.columns, strict=True):
                groups.append(Group(f"{stage.name} of {task}", column[place].parameters(), self.tasks))
            for task in self.tasks:
                users = [task] if place == last else self.tasks
                groups.append(Group(f"reduction of {task} after {stage.name}", self.reductions[task][place].parameters(), users))
        return groups

    def learnt(self, images: Tensor) -> list[Learnt]:
        """Mean size of the weights from each column."""
        if len(self.tasks) == 1:
            return []
        found, columns = [], tuple(f"column of {task}" for task in self.tasks)
        for place, stage in enumerate(self.stages):
            weights = torch.stack([_weights(self.reductions[task][place]).detach().float().flatten(1) for task in self.tasks])
            sizes = weights.abs().unflatten(2, (len(self.tasks), -1)).sum(3).mean(1)  # per output channel
            found.append(Learnt(f"weight of columns after {stage.name}", self.tasks, columns, sizes.cpu()))
        return found


def _weights(reduction: nn.Module) -> Tensor:
    """Those of the convolution or linear layer that a reduction begins with."""
    return cast("Tensor", cast("nn.Sequential", reduction)[0].weight)


def _reduction(info: FeatureInfo, own: int, count: int, own_share: float) -> nn.Sequential:
    channels, is_map = info.channels, info.stride is not None
    layer = nn.Conv2d(count * channels, channels, 1, bias=False) if is_map else nn.Linear(count * channels, channels, bias=False)
    eye = torch.eye(channels)
    start = torch.cat([eye * (own_share if at == own else (1 - own_share) / (count - 1)) for at in range(count)], dim=1)
    with torch.no_grad():
        layer.weight.copy_(start.view_as(layer.weight))
    return nn.Sequential(layer, nn.BatchNorm2d(channels) if is_map else nn.BatchNorm1d(channels), nn.ReLU())
