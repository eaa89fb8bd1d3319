"""Cross-stitch networks (Misra et al. 2016, https://arxiv.org/abs/1604.03539)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.model import Group, Learnt, SharingOptions
from mtl_core.sharing.staged import StagedSharing, broadcast, stages_of, summed


class CrossStitchOptions(SharingOptions):
    """Options of cross-stitch units."""

    own_share: float = Field(
        0.9,
        gt=0,
        le=1,
        description="Coefficient of a task's own activations at the start. The others have the rest, in equal parts. Paper: 0.9.",
    )
    per_channel: bool = Field(True, description="A coefficient for each channel, as in the paper; otherwise one for each stage.")


class CrossStitch(StagedSharing):
    """A column f_t per task, and after each stage l a unit that mixes the columns' activations: x~_t^l = sum_s a_ts^l x_s^l.

    a_tt begins at 0.9 and a_ts at 0.1 / (T - 1), as in the paper. Deviations: the units' learning rate is that of the network (the
    paper's is 100 to 1000 times as large); columns begin at random instead of with networks trained for one task; units follow every stage,
    whatever layers it ends with.
    """

    title: ClassVar[str] = "Cross-stitch"
    summary: ClassVar[str] = "A network for each task. After every stage, each task continues with a learnt mixture of all networks' activations."
    Options = CrossStitchOptions
    options: CrossStitchOptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: CrossStitchOptions) -> Sequence[FeatureInfo]:
        count = len(self.tasks)
        others = [make_backbone() for _ in self.tasks[1:]]
        self.others = nn.ModuleList(others)
        self.columns = [self.stages, *map(stages_of, others)]
        start = torch.full((count, count), (1 - options.own_share) / (count - 1))
        start.fill_diagonal_(options.own_share)
        widths = [stage.gives.channels if options.per_channel else 1 for stage in self.stages]
        # One dimension, because parameters with more of them decay.
        self.units = nn.ParameterList(nn.Parameter(start[..., None].expand(-1, -1, width).flatten()) for width in widths)
        return self.backbone.features

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        streams: dict[str, Tensor] = dict.fromkeys(self.tasks, images)
        features: dict[str, list[Tensor]] = {task: [] for task in tasks}
        for place, stage in enumerate(self.stages):
            made = [column[place](stream) for column, stream in zip(self.columns, streams.values(), strict=True)]
            unit = self._unit(place)
            wanted = self.tasks if place + 1 < len(self.stages) else tasks
            streams = {task: summed(broadcast(unit[self.tasks.index(task), at, None], own) * own for at, own in enumerate(made)) for task in wanted}
            if stage.is_feature:
                for task in tasks:
                    features[task].append(streams[task])
        return features

    def part_groups(self) -> list[Group]:
        columns = [
            Group(f"{stage.name} of {task}", stage.parameters(), self.tasks)
            for task, column in zip(self.tasks, self.columns, strict=True)
            for stage in column
        ]
        return [*columns, *(Group(f"stitches after {stage.name}", [unit], self.tasks) for stage, unit in zip(self.stages, self.units, strict=True))]

    def learnt(self, images: Tensor) -> list[Learnt]:
        columns = tuple(f"column of {task}" for task in self.tasks)
        return [
            Learnt(f"stitch after {stage.name}", self.tasks, columns, self._unit(place).detach().float().mean(-1).cpu())
            for place, stage in enumerate(self.stages if len(self.tasks) > 1 else ())
        ]

    def _unit(self, place: int) -> Tensor:
        """(T, T, channels or 1): row of the task that reads, column of the network that is read."""
        return self.units[place].view(len(self.tasks), len(self.tasks), -1)
