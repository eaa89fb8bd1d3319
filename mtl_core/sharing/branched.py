"""Sharing up to a stage: the dial from all shared to nothing shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.model import Group, SharingOptions
from mtl_core.sharing.staged import StagedSharing, check_shared_stages, run_stages


class BranchedOptions(SharingOptions):
    """Options of branched sharing."""

    shared_stages: int = Field(
        1,
        ge=0,
        le=64,
        description="How many of the backbone's first stages all tasks share; each task has the later ones to itself. 0 shares nothing, all of "
        "them is hard sharing.",
    )


class Branched(StagedSharing):
    """y_t = h_t(b_t(s(x))): the first k stages s are shared, each task t has a copy b_t of the later ones.

    The tree of depth one that branching methods search among others (Vandenhende et al. 2020, https://arxiv.org/abs/1904.02920). Here k is
    chosen by hand and every task branches off at the same stage.
    """

    title: ClassVar[str] = "Branched"
    summary: ClassVar[str] = "The first stages are shared; each task has its own copy of the later ones."
    Options = BranchedOptions
    options: BranchedOptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: BranchedOptions) -> Sequence[FeatureInfo]:
        check_shared_stages(options.shared_stages, self.stages)
        self.shared = self.stages[: options.shared_stages]
        self.branches = dict(zip(self.tasks, self.add_copies(make_backbone, len(self.tasks), options.shared_stages), strict=True))
        return self.backbone.features

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        value, features = run_stages(self.shared, images)
        return {task: [*features, *run_stages(self.branches[task], value)[1]] for task in tasks}

    def part_groups(self) -> list[Group]:
        own = [Group(f"{stage.name} of {task}", stage.parameters(), [task]) for task, branch in self.branches.items() for stage in branch]
        return [*(Group(stage.name, stage.parameters(), self.tasks) for stage in self.shared), *own]
