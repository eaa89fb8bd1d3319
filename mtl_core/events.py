"""The events that the trainer yields, and Control, which sends requests to it. Executor, command line and tests consume the same stream.

This module does not import torch, because the run store uses it without torch. Scalar keys are ``split/task/name``, e.g.
``train/segments/loss``, ``val/boxes/map``, ``test/count/r2``, and ``loss_weight/segments``, ``optimizer/lr``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Metric:
    """Name, title, unit and direction of a metric.

    Attributes:
        name: last part of the scalar key.
        title: name for people.
        unit: unit of the value; empty for a share or an index.
        higher_is_better: True if a higher value is better.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool


@dataclass(frozen=True)
class RunStarted:
    """The data and the network are ready. ``info`` is JSON-able; see ``mtl_core.training.run_info`` for its keys.

    ``step`` and ``epoch``: the starting point, 0 for a new run, the checkpoint's for a resumed or forked run.
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
    """Losses and metrics on held-out (and a fixed part of the training) images after ``epoch`` epochs.

    ``constants``: what a constant answer reaches on val in each task's main metric, see ``mtl_core.training.constant_answer``. Only the first event
    of an attempt has them: they join ``RunStarted.info``, and the first steps do not wait for them.
    """

    step: int
    epoch: int
    scalars: dict[str, float]
    constants: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ProbesSaved:
    """Predictions of the fixed probe set after ``epoch`` epochs (0: before training) lie in ``path`` inside the run's folder."""

    epoch: int
    path: str


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint was published. ``best``: it is the best on val so far."""

    step: int
    epoch: int
    path: str
    best: bool


SKIPPED = "skipped step"
REFUSED = "refused change of"


@dataclass(frozen=True)
class Message:
    """A line for the log. ``level`` is ``info`` or ``warning``; ``subject`` is ``SKIPPED`` for a skipped step, ``REFUSED`` and
    a setting for a change that was not made, else empty."""

    text: str
    level: str = "info"
    subject: str = ""


@dataclass(frozen=True)
class SettingChanged:
    """From the step after ``step`` on, ``key`` (``tasks.<task>.loss_weight`` or ``optimizer.lr``) is ``new``.

    ``replayed``: True if the run's config has this change, False if a person made it live.
    """

    step: int
    epoch: float
    key: str
    old: float
    new: float
    replayed: bool


@dataclass(frozen=True)
class Paused:
    """The state is saved and the trainer waits until it is asked to proceed or stop."""

    step: int
    epoch: float


@dataclass(frozen=True)
class Resumed:
    """A paused run continues."""

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


Settle = Callable[[str, str], tuple[str, str]]  # measured (precision, layout) -> the ones to train with


class Control:
    """Requests to a training run. Any thread may set them; the trainer polls them before every step and batch.

    Attributes:
        asked_at: time of the trainer's last poll (``time.monotonic``), which shows its progress.
        reasons: reasons of the requests to stop, in order.
        abandoned: another process has claimed the run; the trainer must end at once and write nothing more.
        proceeds: number of requests to proceed.
        check_held: called before files are published; raises if another process has claimed the run.
        settle: called with the measured precision and layout if the config has ``auto`` for one of them; returns the two to train with.
            It gives runs that are compared with each other the same values.
        device: the device that the run was claimed for, where its config says ``auto``; empty for the best one.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self.pause_requested = False
        self.abandoned = False
        self.reasons: list[str] = []
        self.proceeds = 0
        self.check_held: Callable[[], None] = lambda: None
        self.settle: Settle = lambda precision, layout: (precision, layout)
        self.device = ""
        self.asked_at = time.monotonic()
        self._changed = threading.Condition()
        self._settings: list[tuple[str, float]] = []

    @property
    def interrupted(self) -> bool:
        """Whether a stop or a pause was requested. Each call counts as a poll (``asked_at``)."""
        self.asked_at = time.monotonic()
        return self.stop_requested or self.pause_requested

    def agree(self) -> None:
        """Called before each step and after each wait. Where several processes train the run, all take over the same requests here."""

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
        """Ask a paused trainer to continue."""
        with self._changed:
            self.pause_requested = False
            self.proceeds += 1
            self._changed.notify_all()

    def change(self, key: str, value: float) -> None:
        """Ask the trainer to change a setting before its next step."""
        with self._changed:
            self._settings.append((key, value))

    def take_changes(self) -> list[tuple[str, float]]:
        """The (key, value) changes requested since the last call, in order."""
        if not self._settings:  # no lock in the common case: this is called at every step
            return []
        with self._changed:
            taken, self._settings = self._settings, []
            return taken

    def wait_while_paused(self, proceeds: int) -> None:
        """Return after a X again at once resumes in between."""
        with self._changed:
            self._changed.wait_for(lambda: self.stop_requested or not self.pause_requested or self.proceeds != proceeds)
