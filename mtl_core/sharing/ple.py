"""Progressive layered extraction (Tang et al. 2020, https://doi.org/10.1145/3383313.3412236)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.cgc import CGCOptions
from mtl_core.sharing.experts import Expert, Gate, gate_use, weighted
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import Group, Learnt
from mtl_core.sharing.staged import StagedSharing, check_shared_stages, pooled, run_stages


class PLE(StagedSharing):
    """CGC at every stage: g_t^j(x) = w_t^j(g_t^(j-1)(x)) S_t^j(x), with a stage of the backbone as an expert of level j.

    Task t's experts of level j read g_t^(j-1), the shared experts read g_s^(j-1), and the shared gate g_s^j chooses among all experts of the level.
    The last level has no shared gate. With one level left after the shared stages it is CGC.

    Deviations: the first level reads the output of the backbone's first stages; gates read a feature's mean over places and have a bias; the gate of
    a task reads the task's own input of the level, the shared gate the shared one.
    """

    title: ClassVar[str] = "Progressive layered extraction (PLE)"
    summary: ClassVar[str] = "Own and shared experts at every later stage; gates choose among them stage after stage."
    Options = CGCOptions
    options: CGCOptions

    def build_parts(self, make_backbone: Callable[[], Backbone], options: CGCOptions) -> Sequence[FeatureInfo]:
        first = options.shared_stages
        check_shared_stages(first, self.stages, own_at_least=1)
        self.shared, self.levels = self.stages[:first], self.stages[first:]
        shared = [Expert(f"shared expert {number + 1}", self.tasks) for number in range(options.shared_experts)]
        own = [Expert(f"expert {number + 1} of {task}", (task,)) for task in self.tasks for number in range(options.task_experts)]
        self.experts = [*shared, *own]
        self.ends = self.add_copies(make_backbone, len(self.experts), first)
        everything = list(range(len(self.experts)))
        self.read_by = {task: [at for at, expert in enumerate(self.experts) if task in expert.readers] for task in self.tasks}
        inputs = [stage.gives.channels for stage in self.stages[first - 1 : -1]]
        self.gates = Heads({task: nn.ModuleList(Gate(channels, len(read)) for channels in inputs) for task, read in self.read_by.items()})
        self.shared_gates = nn.ModuleList(Gate(channels, len(everything)) for channels in inputs[:-1])
        return self.backbone.features

    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        return self._extract(images, tasks)[0]

    def part_groups(self) -> list[Group]:
        groups = [Group(stage.name, stage.parameters(), self.tasks) for stage in self.shared]
        last = len(self.levels) - 1
        for level, stage in enumerate(self.levels):
            # What comes before the last shared gate reaches every task through it.
            for expert, end in zip(self.experts, self.ends, strict=True):
                groups.append(Group(f"{stage.name} of {expert.name}", end[level].parameters(), expert.readers if level == last else self.tasks))
            for task, gates in self.gates.items():
                groups.append(Group(f"gate of {task} at {stage.name}", gates[level].parameters(), self.tasks if level + 1 < last else [task]))
            if level < last:
                groups.append(Group(f"shared gate at {stage.name}", self.shared_gates[level].parameters(), self.tasks))
        return groups

    def learnt(self, images: Tensor) -> list[Learnt]:
        uses = self._extract(images, self.tasks)[1] if len(self.tasks) > 1 else []
        return [gate_use(f"mean gate weight at {stage.name}", gates, self.experts) for stage, gates in zip(self.levels, uses, strict=True)]

    def _extract(self, images: Tensor, tasks: Sequence[str]) -> tuple[dict[str, list[Tensor]], list[dict[str, tuple[Tensor, Sequence[int]]]]]:
        """The features of ``tasks``, and for each level the weights of all gates that were asked, with the places of the experts."""
        value, before = run_stages(self.shared, images)
        features, uses = {task: list(before) for task in tasks}, []
        inputs, shared = dict.fromkeys(self.tasks, value), value
        for level, stage in enumerate(self.levels):
            is_last = level + 1 == len(self.levels)
            wanted = tasks if is_last else self.tasks
            needed = sorted({at for task in wanted for at in self.read_by[task]})
            made = {}
            for at in needed:
                readers = self.experts[at].readers
                made[at] = [self.ends[at][level](inputs[readers[0]] if len(readers) == 1 else shared)]
            weights = {task: self.gates[task][level](pooled(inputs[task])) for task in wanted}
            given = {task: weighted(weights[task], [made[at] for at in self.read_by[task]])[0] for task in wanted}
            gates = {task: (weights[task], self.read_by[task]) for task in wanted}
            if not is_last:
                common = self.shared_gates[level](pooled(shared))
                shared = weighted(common, [made[at] for at in needed])[0]
                gates["all tasks together"] = (common, needed)
            inputs = given
            uses.append(gates)
            if stage.is_feature:
                for task in tasks:
                    features[task].append(given[task])
        return features, uses
