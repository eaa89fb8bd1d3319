"""Run: one row of the store, as the screen and the command line see it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from mtl_core.config import RunConfig
from mtl_core.runs.status import RunStatus


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log. ``time`` in seconds since 1970; ``level`` is info, warning or error."""

    time: float
    level: str
    text: str


@dataclass(frozen=True)
class Run:
    """A run as it was when it was read.

    Attributes:
        status: honest: a run whose process is gone is ``interrupted``, with the step and epoch it had reached.
        created_at, started_at, training_started_at, finished_at, heartbeat_at: seconds since 1970; None where it has not happened.
            ``started_at`` is when a process took it, ``training_started_at`` when its data were ready.
        epoch: passes over the training split so far, with the fraction of the current one.
        steps_per_second: recent pace while it trains, of the whole run when it has ended; training steps only.
        info: what RunStarted said; empty before.
        failure: ``kind``, ``message``, ``cure``, ``trace``; None unless failed.
        device: the device it runs on; what the config asks for until that is known.
        queue_position: 1 for the next one; None unless queued.
    """

    id: str
    name: str
    status: RunStatus
    config: RunConfig
    created_at: float
    started_at: float | None
    training_started_at: float | None
    finished_at: float | None
    step: int
    steps_total: int | None
    epoch: float
    epochs: int
    steps_per_second: float | None
    device: str
    heartbeat_at: float | None
    queue_position: int | None = None
    info: dict[str, Any] = field(default_factory=dict)
    failure: dict[str, Any] | None = None

    @property
    def progress(self) -> float:
        """Share of the steps done, 0..1."""
        if self.status == RunStatus.FINISHED:
            return 1.0
        return min(self.step / self.steps_total, 1.0) if self.steps_total else 0.0

    @property
    def seconds(self) -> float:
        """From when a process took it until its end, or until now; 0 before."""
        if self.started_at is None:
            return 0.0
        end = self.finished_at if self.finished_at is not None else time.time()
        return max(end - self.started_at, 0.0)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to go at the pace so far, validation included; None while that is unknown."""
        if not self.status.is_active() or self.training_started_at is None or not self.progress:
            return None
        trained = max(time.time() - self.training_started_at, 0.0)
        return trained * (1.0 - self.progress) / self.progress
