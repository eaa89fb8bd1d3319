"""Which balancing method? Methods against fixed weights and against the front of a sweep of fixed weights."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, field_validator

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.config_differences import phrase_of
from mtl_core.config_sections import PartConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import tr
from mtl_core.part_titles import part_title
from mtl_core.registry import unknown_name
from mtl_core.studies.study_kind import Cell, Comparison, Options, StudyKind, plain_balancing, several_tasks, weight_cells

MOST = 12


class Methods(StudyKind):
    title = "Which balancing method?"
    summary = (
        "Trains each method, the config's loss weights as they are, and a sweep of fixed weights with the same epochs. A method is ahead "
        "only if it is beyond the front of the sweep (Xin et al. 2022; Kurin et al. 2022)."
    )

    class Options(Options):
        methods: list[PartConfig] = Field(
            default_factory=list, description="Balancing methods, each a name, or a name with options.", max_length=MOST
        )
        sweep: int = Field(
            4, ge=0, le=12, description="Portions that the sweep of fixed weights divides among the tasks; more give a finer front. 0 for no sweep."
        )

        @field_validator("methods", mode="before")
        @classmethod
        def _names_alone(cls, values: object) -> object:
            return [{"name": value} if isinstance(value, str) else value for value in values] if isinstance(values, list) else values

    @staticmethod
    def cells(base: RunConfig, options: Methods.Options) -> list[Cell]:
        several_tasks(base)
        if not options.methods:
            raise ConfigError(Problem("options.methods", "expected at least one balancing method, found none"))
        unknown = [method.name for method in options.methods if method.name not in BALANCERS]
        if unknown:
            raise ConfigError(Problem("options.methods", unknown_name(BALANCERS.noun, unknown[0], BALANCERS)))
        plain = base.model_copy(update={"balancing": plain_balancing()})
        cells = [Cell("baseline", tr("fixed weights"), plain, tuple(task.loss_weight for task in base.tasks.values()))]
        for method in options.methods:
            if method != plain.balancing:
                cells.append(Cell(_key(method), _label(method), base.model_copy(update={"balancing": method})))
        if len({cell.key for cell in cells}) < len(cells):
            raise ConfigError(Problem("options.methods", "the same method with the same options is in the list twice"))
        if len(cells) == 1:
            raise ConfigError(Problem("options.methods", "fixed weights are the baseline; give at least one other method"))
        return [*cells, *(weight_cells(base, max(options.sweep, len(base.tasks) + 1)) if options.sweep else [])]

    @staticmethod
    def comparisons(base: RunConfig, options: Methods.Options, cells: Sequence[Cell]) -> list[Comparison]:
        methods = [cell for cell in cells if cell.weights is None]
        return [
            Comparison(cell.key, tr("{label} against fixed weights", label=cell.label), dict.fromkeys(base.tasks, "baseline")) for cell in methods
        ]


def _key(method: PartConfig) -> str:
    return f"method.{method.name}" + "".join(f".{key}={value}" for key, value in sorted(method.options.items()))


def _label(method: PartConfig) -> str:
    said = tr(", ").join(phrase_of(("balancing", key), value).said() for key, value in method.options.items())
    title = tr(part_title("balancing", method.name))
    return f"{title} ({said})" if said else title
