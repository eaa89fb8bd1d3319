"""Should these tasks share? One network for all tasks against a network for each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from mtl_core.config import RunConfig
from mtl_core.language import tr
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind, chosen_tasks, several_tasks, with_tasks


class Share(StudyKind):
    title = "Should these tasks share?"
    summary = "Trains the tasks together in one network and each task alone in a network of its own, and compares them task by task."

    class Options(Options):
        budget: Literal["epochs", "compute"] = Field(
            "epochs",
            description="'epochs': every network trains the config's number of epochs. 'compute': the joint network trains as many epochs as the "
            "single networks together, so that both sides cost about the same (the heads' share is left out of account).",
            json_schema_extra={"words": {"epochs": "Equal epochs", "compute": "Equal compute"}},
        )
        tasks: list[str] = Field(default_factory=list, description="Tasks that are compared; empty for all. All tasks are in the joint network.")

    @staticmethod
    def cells(base: RunConfig, options: Share.Options) -> list[Cell]:
        several_tasks(base)
        compared = chosen_tasks(base, options.tasks)
        joint = base
        if options.budget == "compute":
            joint = base.with_overrides([f"epochs={base.epochs * len(compared)}"])
        return [
            *(Cell(f"alone.{task}", tr("{task} alone", task=task), with_tasks(base, [task])) for task in compared),
            Cell("joint", tr("all tasks in one network"), joint),
        ]

    @staticmethod
    def comparisons(base: RunConfig, options: Share.Options, cells: Sequence[Cell]) -> list[Comparison]:
        return [
            Comparison(
                "joint",
                tr("one network for all tasks, against each task alone"),
                {task: f"alone.{task}" for task in chosen_tasks(base, options.tasks)},
            )
        ]
