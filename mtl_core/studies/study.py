"""Study: a question with its cells and seeds, as one row of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.plain_yaml import write_yaml
from mtl_core.registry import validated
from mtl_core.runs.actions import LONGEST_TITLE
from mtl_core.studies.kinds import STUDY_KINDS
from mtl_core.studies.study_kind import Cell, Comparison, StudyKind

MOST_RUNS = 1000  # of a study


class StudySettings(BaseModel):
    """How a study compares."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the kind of study.")
    band: float = Field(
        0.01, ge=0, le=1, description="Band of equivalence, as a share of the baseline's value: a smaller difference does not matter. 0 for no band."
    )
    interval: Literal["t", "bca"] = Field(
        "t",
        description="'t': Student's interval. 'bca': bias-corrected and accelerated bootstrap, too narrow with few seeds.",
        json_schema_extra={"words": {"t": "Student t", "bca": "BCa bootstrap"}},
    )
    value: Literal["chosen", "best"] = Field(
        "chosen",
        description="'chosen': with the one checkpoint that is best on val over all tasks. 'best': each task with its own best checkpoint.",
        json_schema_extra={"words": {"chosen": "Chosen checkpoint", "best": "Best checkpoint of each task"}},
    )
    repeats: str = Field(
        "", pattern="^(study-[0-9a-f]{4,})?$", description="Id of the study whose cells and seeds this one trains anew; empty for none."
    )


@dataclass(frozen=True)
class Study:
    """A question, its cells and seeds.

    Attributes:
        state: ``new``, ``running`` (its runs are queued, and resumed if their process is gone) or ``stopped`` by a person. Whether all of its
            runs have ended is said by the runs.
        base: the config that the cells are made from; precision and layout as asked for.
        precision, layout: of all cells; None until the first cell has measured them.
    """

    id: str
    kind: str
    title: str
    created_at: float
    state: str
    base: RunConfig
    settings: StudySettings
    seeds: tuple[int, ...]
    precision: str | None
    layout: str | None

    @cached_property
    def part(self) -> type[StudyKind]:
        """The class of its kind."""
        return STUDY_KINDS.load(self.kind, "kind")

    @cached_property
    def options(self) -> Any:
        """The checked options of its kind."""
        return validated(self.part.Options, self.settings.options, "options")

    @cached_property
    def cells(self) -> list[Cell]:
        """With labels in the reader's language of the first call."""
        return self.part.cells(self.base, self.options)

    @cached_property
    def untrained_cells(self) -> list[Cell]:
        """Networks that the study predicts about but does not train."""
        return self.part.untrained(self.base, self.options)

    @property
    def cells_to_come(self) -> int:
        """Number of cells that will be proposed from the results of others."""
        return self.part.to_come(self.options)

    @property
    def planned_runs(self) -> int:
        """Number of runs that the study consists of, with those of cells that are not known yet."""
        return (len(self.cells) + self.cells_to_come) * len(self.seeds)

    def check_size(self) -> None:
        """Raise ConfigError if it would have more than ``MOST_RUNS`` runs."""
        if self.planned_runs > MOST_RUNS:
            cells, seeds = self.planned_runs // len(self.seeds), len(self.seeds)
            raise ConfigError(Problem("seeds", f"{cells} cells with {seeds} seeds are more than {MOST_RUNS} runs"))

    @cached_property
    def comparisons(self) -> list[Comparison]:
        return self.part.comparisons(self.base, self.options, self.cells)

    @property
    def network_comparison(self) -> Comparison | None:
        """The comparison of one network with the most others, the first of equals; None if every one compares single networks."""
        most = max(self.comparisons, key=lambda each: len(set(each.baselines.values())), default=None)
        return most if most and len(set(most.baselines.values())) > 1 else None

    @property
    def compared_networks(self) -> list[str]:
        """The cell of ``network_comparison`` and its baselines; empty without one."""
        found = self.network_comparison
        return [found.cell, *dict.fromkeys(found.baselines.values())] if found else []

    def config_of(self, cell: Cell, seed: int) -> RunConfig:
        """The config of one run."""
        name = f"{cell.label} · seed {seed} · {self.title}"  # what differs first, because lists cut off the end
        settled = {key: getattr(self, key) or getattr(self.base, key) for key in ("precision", "layout")}
        name = name if len(name) <= LONGEST_TITLE else f"{name[: LONGEST_TITLE - 1].rstrip()}…"
        return cell.config.model_copy(update={"name": name, "seed": seed, **settled})

    def to_yaml(self) -> str:
        """The study as YAML, to be made again elsewhere."""
        plain = {
            "kind": self.kind,
            "title": self.title,
            "seeds": list(self.seeds),
            **self.settings.model_dump(mode="json"),
            "base": self.base.to_dict(),
        }
        return write_yaml(plain)


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise ConfigError unless these are different seeds, at least one and at most ``MOST_RUNS``."""
    if len(seeds) > MOST_RUNS:
        raise ConfigError(Problem("seeds", f"expected at most {MOST_RUNS:,} seeds; found {len(seeds):,}"))
    if not seeds or len(set(seeds)) < len(seeds) or not all(isinstance(seed, int) and 0 <= seed < 2**31 for seed in seeds):
        raise ConfigError(Problem("seeds", f"expected different whole numbers from 0 to 2147483647, at least one; found {list(seeds)}"))
