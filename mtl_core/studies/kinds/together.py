"""Which tasks together? Groups of tasks in one network against each task alone, and the best division into networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from pydantic import Field

from mtl_core.config import RunConfig
from mtl_core.language import tr
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind, several_tasks, with_tasks

MOST_TASKS = 5
EVERY = 10  # steps between two measurements of affinity: many enough for a mean, at a small part of the run's time


class Together(StudyKind):
    title = "Which tasks together?"
    summary = (
        f"Trains groups of tasks (up to {MOST_TASKS}) in one network each, and each task alone, and searches the best division into any number of "
        "networks (Standley et al. 2020). The network with all tasks also measures the tasks' affinities."
    )

    class Options(Options):
        groups: Literal["pairs", "all", "one_run"] = Field(
            "all",
            description="'pairs': every two tasks, and all of them. 'all': every group. 'one_run': only the network with all tasks; its affinities "
            "predict the groups (Fifty et al. 2021), which costs one run per seed but measures no group.",
            json_schema_extra={"words": {"pairs": "Pairs, and all tasks", "all": "Every group", "one_run": "Predict from one network"}},
        )

    @staticmethod
    def cells(base: RunConfig, options: Together.Options) -> list[Cell]:
        tasks = several_tasks(base, 2, MOST_TASKS)
        whole = _group(base if base.affinity_every else base.model_copy(update={"affinity_every": EVERY}), tasks)
        return [*(_group(base, group) for group in _groups(tasks) if len(group) in _sizes(options, tasks)), whole]

    @staticmethod
    def untrained(base: RunConfig, options: Together.Options) -> list[Cell]:
        tasks = list(base.tasks)
        return [_group(base, group) for group in _groups(tasks) if len(group) not in _sizes(options, tasks)]

    @staticmethod
    def comparisons(base: RunConfig, options: Together.Options, cells: Sequence[Cell]) -> list[Comparison]:
        groups = [(cell, list(cell.config.tasks)) for cell in cells] if len(cells) > 1 else []  # without each task alone nothing is compared
        return [
            Comparison(cell.key, tr("{label} against each alone", label=cell.label), {task: task for task in group})
            for cell, group in groups
            if len(group) > 1
        ]


def _groups(tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Every group but the whole, small ones first."""
    return [group for size in range(1, len(tasks)) for group in combinations(tasks, size)]


def _sizes(options: Together.Options, tasks: Sequence[str]) -> tuple[int, ...]:
    """Of the groups beside the whole that are trained."""
    return {"one_run": (), "pairs": (1, 2), "all": tuple(range(1, len(tasks)))}[options.groups]


def _group(base: RunConfig, group: Sequence[str]) -> Cell:
    label = tr("{task} alone", task=group[0]) if len(group) == 1 else " + ".join(group)
    return Cell("+".join(group), label, with_tasks(base, group))
