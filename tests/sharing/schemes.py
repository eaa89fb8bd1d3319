"""Sharing schemes as somebody else would write them, for the tests: the fixture ``installed_schemes`` registers them by entry points."""

from __future__ import annotations

import torch
from torch import nn

from mtl_core.sharing.model import Group, MultiTaskModel

ENTRIES = {"late_cross_stitch": "tests.sharing.schemes:CrossStitch", "separate_networks": "tests.sharing.schemes:Separate"}


class CrossStitch(MultiTaskModel):
    """A column for each task. Each head reads a mixture of all columns' features, learnt (late fusion, after Misra et al. 2016)."""

    title = "Late cross-stitch"
    summary = "A backbone for each task, mixed once at the end."

    def build_features(self, make_backbone, options):
        count = len(self.tasks)
        self.columns = nn.ModuleList(make_backbone() for _ in self.tasks)
        info = self.columns[0].features
        others = 0.1 / max(1, count - 1)
        own = 1.0 if count == 1 else 0.9
        self.mixing = nn.ParameterList(torch.full((count, count), others) + (own - others) * torch.eye(count) for _ in info)
        return info

    def features(self, images, tasks):
        columns = [column(images) for column in self.columns]
        mixed = {}
        for task in tasks:
            row = self.tasks.index(task)
            mixed[task] = [
                sum(mixing[row, place] * column[level] for place, column in enumerate(columns)) for level, mixing in enumerate(self.mixing)
            ]
        return mixed

    def groups(self):
        columns = [Group(f"column of {task}", column.parameters(), self.tasks) for task, column in zip(self.tasks, self.columns, strict=True)]
        return [*columns, Group("mixing", self.mixing, self.tasks), *self.head_groups()]


class Separate(MultiTaskModel):
    """A network for each task: nothing is shared."""

    title = "Separate networks"
    summary = "One backbone and one head per task."

    def build_features(self, make_backbone, options):
        self.columns = nn.ModuleList(make_backbone() for _ in self.tasks)
        return self.columns[0].features

    def features(self, images, tasks):
        return {task: self.columns[self.tasks.index(task)](images) for task in tasks}

    def groups(self):
        columns = zip(self.tasks, self.columns, strict=True)
        return [*(Group(f"network of {task}", column.parameters(), [task]) for task, column in columns), *self.head_groups()]
