"""What mixtures of experts have in common: shared first stages, experts made of the later ones, and gates that read pooled features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import Group, Learnt, SharingOptions
from mtl_core.sharing.staged import StagedSharing, broadcast, check_shared_stages, pooled, run_stages, summed


class ExpertOptions(SharingOptions):
    """Options of every mixture of experts."""

    shared_stages: int = Field(
        1, ge=1, le=64, description="How many of the backbone's first stages come before the experts. Gates read what they give, so at least one."
    )


class Gate(nn.Module):
    """g(x) = softmax(W x + b): how much of each expert a task reads of an image.

    Args:
        channels: of the pooled feature. count: experts to choose from.
    """

    def __init__(self, channels: int, count: int):
        super().__init__()
        self.linear = nn.Linear(channels, count)

    def forward(self, feature: Tensor) -> Tensor:
        """Pooled feature (n, channels) -> weights (n, count), of sum 1."""
        return self.linear(feature).softmax(1)


@dataclass(frozen=True)
class Expert:
    """An expert's name and the tasks whose gates choose among it and others."""

    name: str
    readers: tuple[str, ...]


class ExpertMixture(StagedSharing):
    """Parent of schemes with one layer of experts: z_t = sum_i g_t(s(x))_i f_i(s(x)), where s are the first stages and f_i the later ones.

    A scheme writes ``experts_of``, and ``build_gate`` where its gates are not a softmax.
    """

    @abstractmethod
    def experts_of(self, options: ExpertOptions) -> list[Expert]:
        """The experts, in order."""

    def build_gate(self, channels: int, count: int, options: ExpertOptions) -> nn.Module:
        """Pooled feature (n, channels) -> weights (n, count)."""
        return Gate(channels, count)

    def build_parts(self, make_backbone: Callable[[], Backbone], options: ExpertOptions) -> Sequence[FeatureInfo]:
        check_shared_stages(options.shared_stages, self.stages, own_at_least=1)
        self.experts = self.experts_of(options)
        self.shared = self.stages[: options.shared_stages]
        self.ends = self.add_copies(make_backbone, len(self.experts), options.shared_stages)
        self.read_by = {task: [at for at, expert in enumerate(self.experts) if task in expert.readers] for task in self.tasks}
        channels = self.shared[-1].gives.channels
        self.gates = Heads({task: self.build_gate(channels, len(read), options) for task, read in self.read_by.items()})
        return self.backbone.features

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        value, features = run_stages(self.shared, images)
        needed = sorted({at for task in tasks for at in self.read_by[task]})
        made = {at: run_stages(self.ends[at], value)[1] for at in needed}
        mean = pooled(value)
        return {task: [*features, *weighted(self.gates[task](mean), [made[at] for at in self.read_by[task]])] for task in tasks}

    def part_groups(self) -> list[Group]:
        shared = [Group(stage.name, stage.parameters(), self.tasks) for stage in self.shared]
        experts = [
            Group(f"{stage.name} of {expert.name}", stage.parameters(), expert.readers)
            for expert, end in zip(self.experts, self.ends, strict=True)
            for stage in end
        ]
        return [*shared, *experts, *(Group(f"gate of {task}", gate.parameters(), [task]) for task, gate in self.gates.items())]

    def learnt(self, images: Tensor) -> list[Learnt]:
        if len(self.tasks) == 1:
            return []
        mean = pooled(run_stages(self.shared, images)[0])
        return [gate_use("mean gate weight", {task: (gate(mean), self.read_by[task]) for task, gate in self.gates.items()}, self.experts)]


def weighted(weights: Tensor, made: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """sum_i weights[:, i] made[i], for each feature. ``weights`` (n, m); ``made``: the features of m experts."""
    return [summed(broadcast(weights[:, at], own) * own for at, own in enumerate(level)) for level in zip(*made, strict=True)]


def gate_use(name: str, gates: dict[str, tuple[Tensor, Sequence[int]]], experts: Sequence[Expert]) -> Learnt:
    """Each gate's mean weights over images; NaN where a gate cannot choose an expert. ``gates``: row -> weights (n, m), places of m experts."""
    values = torch.full((len(gates), len(experts)), torch.nan)
    for row, (weights, places) in enumerate(gates.values()):
        values[row, list(places)] = weights.detach().float().mean(0).cpu()
    return Learnt(name, tuple(gates), tuple(expert.name for expert in experts), values)
