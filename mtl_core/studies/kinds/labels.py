"""Which labels next? Each task with fewer labels, and what a doubling of them is worth to every task."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pydantic import Field

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import tr
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind, chosen_tasks


class Labels(StudyKind):
    title = "Which labels next?"
    summary = "Trains with a share of one task's labels at a time and says what more labels of that task are worth to each task."

    class Options(Options):
        tasks: list[str] = Field(default_factory=list, description="Tasks whose labels are thinned, one at a time; empty for all.")
        fractions: list[float] = Field(
            [0.25, 0.5, 1.0], description="Shares of the training labels, above 0 and at most 1; the last is 1.", min_length=2
        )

    @staticmethod
    def cells(base: RunConfig, options: Labels.Options) -> list[Cell]:
        shares = options.fractions
        if shares != sorted(set(shares)) or not shares[0] > 0 or shares[-1] != 1.0:
            raise ConfigError(Problem("options.fractions", f"expected ascending shares above 0 with 1 as the last, found {shares}"))
        cells = [Cell("full", tr("all labels"), base)]
        for task in chosen_tasks(base, options.tasks):
            for share in shares[:-1]:
                label = tr("{share:.3g} of the labels of {task}", share=share, task=task)
                cells.append(Cell(_key(task, share), label, _thinned(base, task, share)))
        return cells

    @staticmethod
    def label_shares(base: RunConfig, options: Labels.Options) -> dict[str, dict[float, str]]:
        return {task: {share: _key(task, share) for share in options.fractions} for task in chosen_tasks(base, options.tasks)}

    @staticmethod
    def comparisons(base: RunConfig, options: Labels.Options, cells: Sequence[Cell]) -> list[Comparison]:
        found = []
        for task in chosen_tasks(base, options.tasks):
            for before, after in pairwise(options.fractions):
                label = tr("labels of {task}: {before:.3g} of them to {after:.3g}", task=task, before=before, after=after)
                found.append(Comparison(_key(task, after), label, dict.fromkeys(base.tasks, _key(task, before)), has_overall=len(base.tasks) > 1))
        return found


def _key(task: str, share: float) -> str:
    return "full" if share == 1.0 else f"{task}.{share:.4g}"


def _thinned(base: RunConfig, task: str, share: float) -> RunConfig:
    values = base.to_dict()
    values["tasks"][task]["label_fraction"] *= share
    return RunConfig.from_dict(values)
