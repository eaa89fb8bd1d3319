"""Multi-task attention network (Liu et al. 2019, https://arxiv.org/abs/1803.10704)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import Group, Learnt, SharingOptions
from mtl_core.sharing.staged import StagedSharing, pooled


class MTANOptions(SharingOptions):
    """Options of MTAN."""

    reduction: int = Field(4, ge=1, le=64, description="An attention module's inner channels are the stage's, divided by this.")


class MTAN(StagedSharing):
    """a^_t^l = a_t^l * p^l, a_t^l = sigmoid(h_t^l([p^l; f_t^l(a^_t^(l-1))])): one trunk; after every stage l a mask per task t.

    p^l is what stage l gives, h two 1x1 convolutions with batch normalisation, f a 3x3 convolution with batch normalisation and ReLU on the task's
    masked feature of the stage before. Heads read the masked features a^. The trunk itself goes on with p^l, as in the paper.

    Deviations: the paper's h reads the output of a stage's first convolution beside f; a stage is not cut here, so h reads p^l. Features are brought
    to the next stage's size by bilinear interpolation, not by pooling. Inner channels are divided by ``reduction``, as in the
    authors' network for image classification. A vector's mask is made by linear layers. There is no attention in decoders: the heads are each
    task's own.
    """

    title: ClassVar[str] = "Attention (MTAN)"
    summary: ClassVar[str] = "One shared network. After every stage, each task masks what it reads with an attention module of its own."
    Options = MTANOptions
    options: MTANOptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: MTANOptions) -> Sequence[FeatureInfo]:
        gives = [stage.gives for stage in self.stages]
        before = [None, *gives[:-1]]
        self.attention = Heads(
            {
                task: nn.ModuleList(_Attention(own, previous, options.reduction) for own, previous in zip(gives, before, strict=True))
                for task in self.tasks
            }
        )
        return self.backbone.features

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        value, masked = images, dict.fromkeys(tasks)
        features: dict[str, list[Tensor]] = {task: [] for task in tasks}
        for place, stage in enumerate(self.stages):
            value = stage(value)
            masked = {task: self.attention[task][place](value, masked[task]) * value for task in tasks}
            if stage.is_feature:
                for task in tasks:
                    features[task].append(masked[task])
        return features

    def part_groups(self) -> list[Group]:
        trunk = [Group(stage.name, stage.parameters(), self.tasks) for stage in self.stages]
        own = [
            Group(f"attention of {task} after {stage.name}", module.parameters(), [task])
            for task, modules in self.attention.items()
            for stage, module in zip(self.stages, modules, strict=True)
        ]
        return [*trunk, *own]

    def learnt(self, images: Tensor) -> list[Learnt]:
        if len(self.tasks) == 1:
            return []
        means = [torch.stack([mask.float().mean() for mask in masks.values()]).cpu() for masks in self._masks(images)]
        return [Learnt("mean attention", self.tasks, tuple(stage.name for stage in self.stages), torch.stack(means, dim=1))]

    def attention_maps(self, images: Tensor) -> dict[str, dict[str, Tensor]]:
        if len(self.tasks) == 1:
            return {}
        found: dict[str, dict[str, Tensor]] = {task: {} for task in self.tasks}
        for stage, masks in zip(self.stages, self._masks(images), strict=True):
            for task, mask in masks.items():
                if mask.ndim == 4:  # a vector has no places
                    found[task][stage.name] = mask.float().mean(1)
        return found

    def _masks(self, images: Tensor) -> Iterator[dict[str, Tensor]]:
        """Each task's mask (n, C, h, w) or (n, C), after one stage after the other."""
        value, masked = images, dict.fromkeys(self.tasks)
        for place, stage in enumerate(self.stages):
            value = stage(value)
            masks = {task: self.attention[task][place](value, masked[task]) for task in self.tasks}
            masked = {task: mask * value for task, mask in masks.items()}
            yield masks


class _Attention(nn.Module):
    """A mask in 0..1 for a stage's output, from that output and the task's masked feature before it."""

    def __init__(self, own: FeatureInfo, before: FeatureInfo | None, reduction: int):
        super().__init__()
        channels, self.is_map = own.channels, own.stride is not None
        inner = max(1, channels // reduction)
        self.carry = None
        if before is not None:
            size = 3 if self.is_map else 1
            self.carry = nn.Sequential(_mapping(before.channels, channels, self.is_map, size), nn.ReLU())
        self.mask = nn.Sequential(
            _mapping(channels * (1 if before is None else 2), inner, self.is_map),
            nn.ReLU(),
            _mapping(inner, channels, self.is_map),
            nn.Sigmoid(),
        )

    def forward(self, value: Tensor, before: Tensor | None) -> Tensor:
        if self.carry is None:
            return self.mask(value)
        assert before is not None  # there is something to carry only after the first stage
        if not self.is_map:
            return self.mask(torch.cat([value, self.carry(pooled(before))], dim=1))
        carried = self.carry(before)
        if carried.shape[-2:] != value.shape[-2:]:
            carried = interpolate(carried, size=value.shape[-2:], mode="bilinear", align_corners=False)
        return self.mask(torch.cat([value, carried], dim=1))


def _mapping(inputs: int, outputs: int, is_map: bool, size: int = 1) -> nn.Module:
    """A convolution of a map, or a linear layer on a vector, then batch normalisation."""
    if is_map:
        return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs))
