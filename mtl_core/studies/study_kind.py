"""Cell, Comparison and StudyKind: what a kind of study consists of. To add a kind: a file in ``kinds`` and a line in its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import tr


@dataclass(frozen=True)
class Cell:
    """One setting of a study. Each seed of it is a run.

    Attributes:
        key: its name inside the study, stable over time.
        label: for people, in the language of whoever asks.
        config: its config; seed, precision and layout are set by the study.
        weights: the tasks' loss weights, where the cell is a point of a sweep of weights.
    """

    key: str
    label: str
    config: RunConfig
    weights: tuple[float, ...] | None = None

    def is_measured_by(self, config: RunConfig) -> bool:
        """Whether a run with this config, which gives the same numbers, measures what the cell asks for: affinities answer some studies."""
        return bool(config.affinity_every) or not self.config.affinity_every


@dataclass(frozen=True)
class Comparison:
    """A cell against what it is measured by.

    Attributes:
        cell: key of the cell.
        label: for people, such as ``joint against each task alone``.
        baselines: task -> key of the cell that gives its baseline. One comparison with its interval for each.
        has_overall: whether the mean over the tasks is a comparison, too.
    """

    cell: str
    label: str
    baselines: dict[str, str] = field(default_factory=dict)
    has_overall: bool = True


class Options(BaseModel):
    """Parent of the options of the kinds."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class StudyKind:
    """A question that a study answers.

    Attributes:
        title: the question.
        summary: what is trained and compared, for people.
        Options: a pydantic model of its options.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    Options: ClassVar[type[BaseModel]] = Options
    options: Options

    @staticmethod
    def cells(base: RunConfig, options: Any) -> list[Cell]:
        """The cells, the baseline first.

        Raises:
            ConfigError: the base config does not fit the question.
        """
        raise NotImplementedError

    @staticmethod
    def to_come(options: Any) -> int:
        """Number of cells that will be proposed from the results of others; 0 where all cells are known from the start."""
        return 0

    @staticmethod
    def missing(options: Any) -> str:
        """A sentence on a package that these options need and that is not installed; empty if nothing is missing."""
        return ""

    @staticmethod
    def untrained(base: RunConfig, options: Any) -> list[Cell]:
        """Networks that the study predicts about but does not train, in the form of cells: their costs are measured. Each task alone comes first."""
        return []

    @staticmethod
    def label_shares(base: RunConfig, options: Any) -> dict[str, dict[float, str]]:
        """Task whose labels are thinned -> share of its labels -> key of the cell; empty where no labels are."""
        return {}

    @staticmethod
    def comparisons(base: RunConfig, options: Any, cells: Sequence[Cell]) -> list[Comparison]:
        """What is compared with what."""
        raise NotImplementedError


def plain_balancing() -> PartConfig:
    """Fixed loss weights, as a config has them by default."""
    return RunConfig.model_fields["balancing"].default


def with_tasks(base: RunConfig, tasks: Sequence[str]) -> RunConfig:
    """The config with these of its tasks. One task alone has no method that combines tasks, no sharing scheme and no update but the default ones."""
    values = base.to_dict()
    removed = tuple(f"tasks.{name}." for name in base.tasks if name not in tasks)
    values["tasks"] = {name: task for name, task in values["tasks"].items() if name in tasks}
    values["select_by"] = [name for name in values["select_by"] if name in tasks]
    values["changes"] = [change for change in values["changes"] if not change["key"].startswith(removed or ("\0",))]
    if len(tasks) == 1:
        values["tasks"][tasks[0]]["loss_weight"] = 1.0
        for key in ("balancing", "sharing", "update"):
            values[key] = RunConfig.model_fields[key].default.model_dump(mode="json")
    return RunConfig.from_dict(values)


def several_tasks(base: RunConfig, least: int = 2, most: int | None = None) -> list[str]:
    """The config's tasks. Raises ConfigError if their number does not fit the question."""
    tasks = list(base.tasks)
    if len(tasks) < least or (most is not None and len(tasks) > most):
        expected = f"{least} to {most}" if most else f"at least {least}"
        raise ConfigError(Problem("tasks", f"this study needs {expected} tasks, found {len(tasks)}: {', '.join(tasks)}"))
    return tasks


def chosen_tasks(base: RunConfig, wanted: Sequence[str], key: str = "options.tasks") -> list[str]:
    """The tasks that are asked for; all tasks for an empty list. Raises ConfigError for a task that the config does not have."""
    unknown = [name for name in wanted if name not in base.tasks]
    if unknown:
        raise ConfigError(Problem(key, f"'{unknown[0]}' is not a task of the config; it has {', '.join(base.tasks)}"))
    return list(dict.fromkeys(wanted)) or list(base.tasks)


def with_weights(base: RunConfig, weights: Sequence[float]) -> RunConfig:
    """The config with these loss weights, in the order of its tasks, under fixed weights."""
    values = base.to_dict()
    for task, weight in zip(values["tasks"].values(), weights, strict=True):
        task["loss_weight"] = weight
    values["balancing"] = plain_balancing().model_dump(mode="json")
    return RunConfig.from_dict(values)


def simplex(tasks: int, parts: int) -> list[tuple[float, ...]]:
    """Loss weights on a grid: every way to divide ``parts`` equal portions among the tasks, at least one each, scaled to a mean of 1."""
    found: list[tuple[int, ...]] = []

    def divide(left: int, given: tuple[int, ...]) -> None:
        if len(given) == tasks - 1:
            found.append((*given, left))
            return
        for portion in range(1, left - (tasks - len(given) - 1) + 1):
            divide(left - portion, (*given, portion))

    if parts >= tasks:
        divide(parts, ())
    return [tuple(portion * tasks / parts for portion in each) for each in found]


def weight_cells(base: RunConfig, parts: int) -> list[Cell]:
    """A cell for each point of the grid of weights, but not for equal weights."""
    tasks, cells = list(base.tasks), []
    for weights in simplex(len(tasks), parts):
        if max(weights) - min(weights) < 1e-9:
            continue
        text = ", ".join(f"{task} {weight:.3g}" for task, weight in zip(tasks, weights, strict=True))
        cells.append(
            Cell(f"weights.{'-'.join(f'{weight:.4g}' for weight in weights)}", tr("weights {text}", text=text), with_weights(base, weights), weights)
        )
    return cells
