"""Measured cost of a step under each method, read from ``costs.json`` (written by ``benchmarks/step_time/balancing.py``). Imports no torch."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

from mtl_core.language import tr

FILE = Path(__file__).with_name("costs.json")


@dataclass(frozen=True)
class Cost:
    """Time of a whole training step over that of fixed weights.

    Attributes:
        parameters: with gradients at the shared parameters (or of a loss weighting).
        features: with gradients at the features; None if the method cannot work there.
        blocks: at the shared parameters block by block; None if the method cannot work so.
    """

    parameters: float
    features: float | None = None
    blocks: float | None = None

    def sentence(self) -> str:
        """``about 1.7 times a plain step (2.0 by blocks, 1.1 at the features), where it was measured: 3 tasks, small CNN``.

        In the reader's language.
        """
        known = {"times": self.parameters, "tasks": _table()["tasks"]}
        if self.features and self.blocks:
            return tr(
                "about {times:.1f} times a plain step ({blocks:.1f} by blocks, {features:.1f} at the features), where it was measured: "
                "{tasks} tasks, small CNN",
                **known,
                features=self.features,
                blocks=self.blocks,
            )
        if self.features:
            return tr(
                "about {times:.1f} times a plain step ({features:.1f} at the features), where it was measured: {tasks} tasks, small CNN",
                **known,
                features=self.features,
            )
        return tr("about {times:.1f} times a plain step, where it was measured: {tasks} tasks, small CNN", **known)


@functools.cache
def _table() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def measured_on() -> str:
    """The machine, network and date of the measurement."""
    return _table()["measured_on"]


def cost_of(name: str) -> Cost | None:
    """The cost of the method registered as ``name``; None if it was not measured (a method of another package)."""
    entry = _table()["methods"].get(name)
    return Cost(entry["parameters"], entry.get("features"), entry.get("blocks")) if entry else None
