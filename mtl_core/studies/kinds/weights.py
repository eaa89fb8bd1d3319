"""Which loss weights? A grid of fixed weights, its front and the volume that it dominates."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind, several_tasks, simplex, weight_cells, with_weights

MOST = 60


class Weights(StudyKind):
    title = "Which loss weights?"
    summary = "Trains fixed loss weights on a grid and shows the front: the weights that no others beat in every task."

    class Options(Options):
        parts: int = Field(
            5,
            ge=3,
            le=20,
            description="Portions that are divided among the tasks, at least one each: 5 portions and 2 tasks give 1:4, 2:3, 3:2, 4:1.",
        )

    @staticmethod
    def cells(base: RunConfig, options: Weights.Options) -> list[Cell]:
        tasks = several_tasks(base)
        points = simplex(len(tasks), options.parts)
        if not 2 <= len(points) <= MOST:
            found = f"{options.parts} portions for {len(tasks)} tasks give {len(points)} points"
            raise ConfigError(Problem("options.parts", f"{found}; expected 2 to {MOST}: give {'more' if len(points) < 2 else 'fewer'} portions"))
        equal = (1.0,) * len(tasks)
        return [Cell("equal", "equal weights", with_weights(base, equal), equal), *weight_cells(base, options.parts)]

    @staticmethod
    def comparisons(base: RunConfig, options: Weights.Options, cells: Sequence[Cell]) -> list[Comparison]:
        return [Comparison(cell.key, f"{cell.label} against equal weights", dict.fromkeys(base.tasks, "equal")) for cell in cells[1:]]
