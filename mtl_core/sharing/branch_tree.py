"""A tree of branches that is written down: which tasks share a copy of each stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from pydantic import Field
from torch import Tensor

from mtl_core.backbones.backbone import Backbone, FeatureInfo, Stage
from mtl_core.errors import ConfigError, Problem
from mtl_core.sharing.model import Group, SharingOptions
from mtl_core.sharing.staged import StagedSharing

STAGE, COPY, TASK = ";", "|", ","  # what divides stages, copies of a stage, and tasks in the text; no task name has them
EXAMPLE = "'a, b | c ; a | b | c' for the last two stages and three tasks"


class BranchTreeOptions(SharingOptions):
    """Options of a tree."""

    branches: str = Field(
        "",
        max_length=20_000,
        description=f"Which tasks share a copy of a stage, for the last stages in order: {EXAMPLE}. Tasks that have parted do not meet again. Stages "
        "that are not named are shared by all; an empty text is hard sharing.",
    )


class BranchTree(StagedSharing):
    """y_t = h_t(b_L,t(... b_1,t(x))): at each stage l the tasks are divided into groups, and each group has a copy of the stage of its own.

    A group is part of one group of the stage before, so the copies form a tree. Hard sharing, ``branched`` and separate networks are special cases.
    Methods that search for branches (Guo et al. 2020, https://arxiv.org/abs/2006.01895; Vandenhende et al. 2020,
    https://arxiv.org/abs/1904.02920) give such trees.
    """

    title: ClassVar[str] = "Tree of branches"
    summary: ClassVar[str] = "For each stage you write which tasks share a copy of it; learning to branch finds such a tree."
    Options = BranchTreeOptions
    options: BranchTreeOptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: BranchTreeOptions) -> Sequence[FeatureInfo]:
        self.levels = read_branches(options.branches, self.tasks, [stage.name for stage in self.stages])
        for copy in range(1, len(self.levels[-1])):
            first = next(place for place, groups in enumerate(self.levels) if len(groups) > copy)
            self.add_copies(make_backbone, 2, first)
        columns = [list(self.stages), *([*[None] * (len(self.stages) - len(copy)), *copy] for copy in self.copies)]  # type: ignore[arg-type]
        self.nodes: list[list[Stage]] = [[columns[at][place] for at in range(len(groups))] for place, groups in enumerate(self.levels)]
        return self.backbone.features

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        streams, features = dict.fromkeys(tasks, images), {task: [] for task in tasks}
        for place, groups in enumerate(self.levels):
            for node, group in zip(self.nodes[place], groups, strict=True):
                wanted = [task for task in group if task in streams]
                if not wanted:
                    continue
                made = node(streams[wanted[0]])
                for task in wanted:
                    streams[task] = made
                    if node.is_feature:
                        features[task].append(made)
        return features

    def part_groups(self) -> list[Group]:
        found = []
        for place, groups in enumerate(self.levels):
            for node, group in zip(self.nodes[place], groups, strict=True):
                found.append(Group(node.name if len(groups) == 1 else f"{node.name} of {' and '.join(group)}", node.parameters(), group))
        return found


def branch_text(levels: Sequence[Sequence[Sequence[str]]]) -> str:
    """The text of a tree: for each stage its groups of tasks. First stages that all share are left out."""
    first = next((place for place, groups in enumerate(levels) if len(groups) > 1), len(levels))
    stages = [f" {COPY} ".join(f"{TASK} ".join(group) for group in groups) for groups in levels[first:]]
    return f" {STAGE} ".join(stages)


def read_branches(text: str, tasks: Sequence[str], stages: Sequence[str]) -> list[list[list[str]]]:
    """For each stage its groups of tasks, from the text of ``branch_text``.

    Raises:
        ConfigError: it is not a tree of these tasks, or has more stages than the backbone.
    """
    levels = [[[task.strip() for task in group.split(TASK)] for group in stage.split(COPY)] for stage in text.split(STAGE)] if text.strip() else []
    if len(levels) > len(stages):
        raise _wrong(f"the backbone has {len(stages)} stages ({', '.join(stages)}), found {len(levels)} divided by '{STAGE}'")
    levels = [[list(tasks)]] * (len(stages) - len(levels)) + levels
    before = levels[0]
    for name, groups in zip(stages, levels, strict=True):
        named = [task for group in groups for task in group]
        if sorted(named) != sorted(tasks):
            wrong = [f"'{task}' is missing" for task in tasks if task not in named]
            wrong += [f"'{task}' is no task of this run" if task else "a name is empty" for task in named if task not in tasks]
            wrong += [f"'{task}' is named twice" for task in dict.fromkeys(named) if named.count(task) > 1]
            raise _wrong(f"each task must be named once for {name}: {wrong[0]}")
        parted = next((group for group in groups if not any(set(group) <= set(other) for other in before)), None)
        if parted is not None:
            raise _wrong(f"{' and '.join(parted)} share {name}, but not the stage before it")
        before = groups
    return levels


def _wrong(what: str) -> ConfigError:
    return ConfigError(Problem("sharing.branches", f"{what}. Write for example {EXAMPLE}"))
