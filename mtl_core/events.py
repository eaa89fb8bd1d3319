"""What the trainer yields. The executor, the command line and the tests all consume the same stream.

Nothing here imports torch: the run store reads and writes these without it. Scalar keys are ``split/task/name``, e.g.
``train/segments/loss``, ``val/boxes/map``, ``test/count/r2``, and ``loss_weight/segments``, ``optimizer/lr``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Metric:
    """What a metric's number means.

    Attributes:
        name: last part of the scalar key.
        title: for people.
        unit: of the value; empty for a share or an index.
        higher_is_better: direction.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool


@dataclass(frozen=True)
class RunStarted:
    """First event. ``info`` is JSON-able; see ``mtl_core.training.trainer`` for its keys."""

    steps_total: int
    info: dict[str, Any]


@dataclass(frozen=True)
class StepScalars:
    """Means over the steps since the last event of this kind, at optimizer step ``step`` (1 = after the first)."""

    step: int
    epoch: float
    scalars: dict[str, float]


@dataclass(frozen=True)
class EpochMetrics:
    """Losses and metrics on held-out (and a fixed part of the training) images after ``epoch`` epochs."""

    step: int
    epoch: int
    scalars: dict[str, float]


@dataclass(frozen=True)
class ProbesSaved:
    """Predictions of the fixed probe set after ``epoch`` epochs (0: before training) lie in ``path`` inside the run's folder."""

    epoch: int
    path: str


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint was published; ``best`` says that it is the best on val so far."""

    step: int
    epoch: int
    path: str
    best: bool


@dataclass(frozen=True)
class Message:
    """A line for the log. ``level`` is ``info`` or ``warning``."""

    text: str
    level: str = "info"


@dataclass(frozen=True)
class RunEnded:
    """Last event: ``status`` is ``finished`` or ``stopped``; ``steps_per_second`` counts training steps only."""

    status: str
    step: int
    epoch: float
    steps_per_second: float
    seconds: float


Event = RunStarted | StepScalars | EpochMetrics | ProbesSaved | CheckpointSaved | Message | RunEnded


@dataclass
class Control:
    """How a run is asked to do something while it trains. Set from any thread; the trainer looks at it before every step and batch."""

    stop_requested: bool = False
    reasons: list[str] = field(default_factory=list)

    def stop(self, reason: str = "asked to stop") -> None:
        """Ask the trainer to save its state and end at the next step."""
        self.reasons.append(reason)
        self.stop_requested = True
