"""Which loss weights? A grid or a search of fixed weights, its front and the volume that it dominates."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import mark, tr
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind, several_tasks, simplex, weight_cells, with_weights

MOST = 60


def missing_package() -> str:
    """A sentence if Optuna is not installed, else empty."""
    if importlib.util.find_spec("optuna") is not None:
        return ""
    return "the search of weights needs the package optuna, which is not installed. Install it with 'pip install optuna', or take the grid"


class Weights(StudyKind):
    title = "Which loss weights?"
    summary = (
        "Trains fixed loss weights, on a grid or where Optuna proposes them, and shows the front: the weights that no others beat in every task."
    )

    class Options(Options):
        way: Literal["grid", "search"] = Field(
            "grid",
            description="'grid': points spread evenly over the weights. 'search': Optuna proposes each next point from the results of those before; "
            "it needs fewer points for many tasks, but they must be trained one after another.",
            json_schema_extra={"words": {"grid": mark("A grid"), "search": "Search with Optuna"}},
        )
        parts: int = Field(
            5,
            ge=3,
            le=20,
            description="Portions that are divided among the tasks, at least one each: 5 portions and 2 tasks give 1:4, 2:3, 3:2, 4:1.",
            json_schema_extra={"shown_when": {"way": ["grid"]}},
        )
        trials: int = Field(
            20, ge=2, le=MOST, description="Points of the search; equal weights are the first.", json_schema_extra={"shown_when": {"way": ["search"]}}
        )
        widest: int = Field(
            10,
            ge=2,
            le=1000,
            description="Largest ratio of a task's weight to the first task's, and of the first's to it.",
            json_schema_extra={"shown_when": {"way": ["search"]}},
        )
        sampler_seed: int = Field(
            0, ge=0, lt=2**31, description="Seed of the search's sampler.", json_schema_extra={"shown_when": {"way": ["search"]}}
        )
        points: list[list[float]] = Field(
            default_factory=list,
            description="Points that the search has proposed so far; the study itself adds to them.",
            json_schema_extra={"by_study": True},
        )

    @staticmethod
    def cells(base: RunConfig, options: Weights.Options) -> list[Cell]:
        tasks = several_tasks(base)
        if options.way == "search":
            return [_cell(base, "equal", tr("equal weights"), (1.0,) * len(tasks)), *_trials(base, options.points)]
        points = simplex(len(tasks), options.parts)
        if not 2 <= len(points) <= MOST:
            found = f"{options.parts} portions for {len(tasks)} tasks give {len(points)} points"
            raise ConfigError(Problem("options.parts", f"{found}; expected 2 to {MOST}: give {'more' if len(points) < 2 else 'fewer'} portions"))
        return [_cell(base, "equal", tr("equal weights"), (1.0,) * len(tasks)), *weight_cells(base, options.parts)]

    @staticmethod
    def to_come(options: Weights.Options) -> int:
        return max(0, options.trials - 1 - len(options.points)) if options.way == "search" else 0

    @staticmethod
    def missing(options: Weights.Options) -> str:
        return missing_package() if options.way == "search" else ""

    @staticmethod
    def comparisons(base: RunConfig, options: Weights.Options, cells: Sequence[Cell]) -> list[Comparison]:
        return [Comparison(cell.key, tr("{label} against equal weights", label=cell.label), dict.fromkeys(base.tasks, "equal")) for cell in cells[1:]]


def _cell(base: RunConfig, key: str, label: str, weights: tuple[float, ...]) -> Cell:
    return Cell(key, label, with_weights(base, weights), weights)


def _trials(base: RunConfig, points: Sequence[Sequence[float]]) -> list[Cell]:
    """A cell for each point of a search, in its order."""
    tasks = list(base.tasks)
    if wrong := [point for point in points if len(point) != len(tasks) or not all(weight > 0 for weight in point)]:
        raise ConfigError(Problem("options.points", f"expected {len(tasks)} weights above 0 in each point, found {wrong[0]}"))
    said = [", ".join(f"{task} {weight:.3g}" for task, weight in zip(tasks, point, strict=True)) for point in points]
    return [
        _cell(base, f"trial.{number}", tr("trial {number}: {text}", number=number, text=text), tuple(point))
        for number, (text, point) in enumerate(zip(said, points, strict=True), 2)
    ]
