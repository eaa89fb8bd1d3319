"""Which tasks together? Groups of tasks in one network against each task alone, and the best division into networks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

from pydantic import Field

from mtl_core.config import RunConfig
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind, several_tasks, with_tasks

MOST_TASKS = 5


class Together(StudyKind):
    title = "Which tasks together?"
    summary = (
        f"Trains groups of tasks (up to {MOST_TASKS}) in one network each, and each task alone, and searches the best division into any number of "
        "networks (Standley et al. 2020)."
    )

    class Options(Options):
        groups: Literal["pairs", "all"] = Field(
            "all",
            description="'pairs': every two tasks, and all of them. 'all': every group.",
            json_schema_extra={"words": {"pairs": "Pairs, and all tasks", "all": "Every group"}},
        )

    @staticmethod
    def cells(base: RunConfig, options: Together.Options) -> list[Cell]:
        tasks = several_tasks(base, 2, MOST_TASKS)
        sizes = range(1, len(tasks) + 1) if options.groups == "all" else sorted({1, 2, len(tasks)})
        groups = [group for size in sizes for group in combinations(tasks, size)]
        return [Cell("+".join(group), f"{group[0]} alone" if len(group) == 1 else " + ".join(group), with_tasks(base, group)) for group in groups]

    @staticmethod
    def comparisons(base: RunConfig, options: Together.Options, cells: Sequence[Cell]) -> list[Comparison]:
        groups = [(cell, list(cell.config.tasks)) for cell in cells]
        return [Comparison(cell.key, f"{cell.label} against each alone", {task: task for task in group}) for cell, group in groups if len(group) > 1]
