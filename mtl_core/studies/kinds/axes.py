"""Any settings: up to three axes over keys of the config, all combinations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

from pydantic import Field

from mtl_core.config import RunConfig
from mtl_core.config_differences import PART_SORTS, phrase_of
from mtl_core.config_fingerprint import fingerprint
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import tr
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind

MOST_AXES, MOST_CELLS = 3, 60
SET_BY_STUDY = ("seed", "precision", "layout", "name")


class Axes(StudyKind):
    title = "Which settings?"
    summary = "Trains every combination of up to three settings and compares each with the first values."

    class Options(Options):
        axes: dict[str, list[Any]] = Field(description="Key of the config -> its values; the first of each is the baseline.")

    @staticmethod
    def cells(base: RunConfig, options: Axes.Options) -> list[Cell]:
        axes = options.axes
        if not 1 <= len(axes) <= MOST_AXES:
            raise ConfigError(Problem("options.axes", f"expected 1 to {MOST_AXES} axes, found {len(axes)}"))
        for key, values in axes.items():
            if key in SET_BY_STUDY:
                raise ConfigError(Problem(f"options.axes.{key}", f"'{key}' is no axis: the study itself sets it"))
            if not values:
                raise ConfigError(Problem(f"options.axes.{key}", "expected values, found none"))
        axes = {key: [_part(key, value) for value in values] for key, values in axes.items()}
        combinations = list(product(*axes.values()))
        if not 2 <= len(combinations) <= MOST_CELLS:
            raise ConfigError(Problem("options.axes", f"expected 2 to {MOST_CELLS} combinations, found {len(combinations)}"))
        cells = []
        for values in combinations:
            said = [f"{key}={json.dumps(value)}" for key, value in zip(axes, values, strict=True)]
            label = ", ".join(_in_words(key, value) for key, value in zip(axes, values, strict=True))
            cells.append(Cell(" ".join(said), label, base.with_overrides(said)))
        if len({fingerprint(cell.config) for cell in cells}) < len(cells):
            raise ConfigError(Problem("options.axes", "two combinations give the same config; take out equal values"))
        return cells

    @staticmethod
    def comparisons(base: RunConfig, options: Axes.Options, cells: Sequence[Cell]) -> list[Comparison]:
        first = cells[0]
        common = {cell.key: [task for task in cell.config.tasks if task in first.config.tasks] for cell in cells}
        return [
            Comparison(cell.key, tr("{label} against {first}", label=cell.label, first=first.label), dict.fromkeys(common[cell.key], first.key))
            for cell in cells[1:]
        ]


def _part(key: str, value: Any) -> Any:
    """The value; the name of a part, such as ``mlp`` for ``backbone``, as the part with its defaults."""
    return {"name": value} if key.rpartition(".")[2] in PART_SORTS and isinstance(value, str) else value


def _in_words(key: str, value: Any) -> str:
    """A setting with its value, as names of runs say it: ``learning rate 0.01``, ``MLP``, ``CAGrad (c 0.4)``."""
    path = tuple(key.split("."))
    if not isinstance(value, dict) or "name" not in value:
        return phrase_of(path, value).said()
    options = {option: each for option, each in value.items() if option != "name"}
    said = phrase_of((*path, "name"), value["name"]).said()
    return f"{said} ({tr(', ').join(phrase_of((*path, option), each).said() for option, each in options.items())})" if options else said
