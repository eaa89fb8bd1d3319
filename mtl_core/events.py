"""What the trainer yields. The executor, the command line and the tests all consume the same stream.

Nothing here imports torch: the run store reads and writes these without it. Scalar keys are ``split/task/name``, e.g.
``train/segments/loss``, ``val/boxes/map``, ``test/count/r2``, and ``loss_weight/segments``, ``optimizer/lr``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
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
    """The data and the network are ready. ``info`` is JSON-able; see ``mtl_core.training.run_info`` for its keys.

    ``step`` and ``epoch`` are where it goes on from: 0 for a new run, the checkpoint's for one that is resumed or forked.
    """

    steps_total: int
    info: dict[str, Any]
    step: int = 0
    epoch: float = 0.0


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
class SettingChanged:
    """From the step after ``step`` on, ``key`` (``tasks.<task>.loss_weight`` or ``optimizer.lr``) is ``new``.

    ``replayed`` says that the run's config had asked for it at this step; else someone changed it live.
    """

    step: int
    epoch: float
    key: str
    old: float
    new: float
    replayed: bool


@dataclass(frozen=True)
class Paused:
    """The state is saved and nothing is computed until the run is let go on, or stopped."""

    step: int
    epoch: float


@dataclass(frozen=True)
class Resumed:
    """A paused run goes on."""

    step: int
    epoch: float


@dataclass(frozen=True)
class RunEnded:
    """Last event: ``status`` is ``finished`` or ``stopped``; ``steps_per_second`` counts training steps only."""

    status: str
    step: int
    epoch: float
    steps_per_second: float
    seconds: float


Event = RunStarted | StepScalars | EpochMetrics | ProbesSaved | CheckpointSaved | Message | SettingChanged | Paused | Resumed | RunEnded


Settle = Callable[[str, str], tuple[str, str]]  # (precision, layout) as measured -> as they are to be


class Control:
    """How a run is asked to do something while it trains. Set from any thread; the trainer looks at it before every step and batch.

    Attributes:
        asked_at: when the trainer last looked (``time.monotonic``): its sign of life.
        reasons: why it was asked to stop, in order.
        abandoned: the run belongs to someone else now: end at once and write nothing more.
        proceeds: how often it was let go on.
        check_held: called before files are put in their place; raises where the run belongs to someone else by now.
        settle: called with the precision and layout that were measured where the config leaves one to ``auto``; returns the two to train with.
            Runs that are compared with each other agree through it.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self.pause_requested = False
        self.abandoned = False
        self.reasons: list[str] = []
        self.proceeds = 0
        self.check_held: Callable[[], None] = lambda: None
        self.settle: Settle = lambda precision, layout: (precision, layout)
        self.asked_at = time.monotonic()
        self._changed = threading.Condition()
        self._settings: list[tuple[str, float]] = []

    @property
    def interrupted(self) -> bool:
        """Whether to leave off now, to stop or to pause."""
        self.asked_at = time.monotonic()
        return self.stop_requested or self.pause_requested

    def stop(self, reason: str = "asked to stop") -> None:
        """Ask the trainer to save its state and end at the next step."""
        with self._changed:
            self.reasons.append(reason)
            self.stop_requested = True
            self._changed.notify_all()

    def abandon(self, reason: str) -> None:
        """Ask the trainer to end at the next step without saving anything."""
        self.abandoned = True
        self.stop(reason)

    def pause(self) -> None:
        """Ask the trainer to save its state at the next step and wait."""
        with self._changed:
            self.pause_requested = True

    def proceed(self) -> None:
        """Let a paused trainer go on."""
        with self._changed:
            self.pause_requested = False
            self.proceeds += 1
            self._changed.notify_all()

    def change(self, key: str, value: float) -> None:
        """Ask the trainer to change a setting before its next step."""
        with self._changed:
            self._settings.append((key, value))

    def take_changes(self) -> list[tuple[str, float]]:
        """What was asked to change since the last call, in order."""
        if not self._settings:  # asked at every step
            return []
        with self._changed:
            taken, self._settings = self._settings, []
            return taken

    def wait_while_paused(self, proceeds: int) -> None:
        """Return when it was let go on since ``proceeds`` was read, or asked to stop. One that is paused again at once goes on, and pauses again."""
        with self._changed:
            self._changed.wait_for(lambda: self.stop_requested or not self.pause_requested or self.proceeds != proceeds)
