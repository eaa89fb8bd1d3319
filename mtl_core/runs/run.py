"""Run: one row of the store, as the screen and the command line see it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from mtl_core.config import RunConfig
from mtl_core.runs.status import RunStatus

HUNG_SECONDS = 60.0  # the trainer gives a sign of life at every step, every batch of an evaluation, and while data are prepared

LEAST_STEPS, LEAST_SECONDS = 10, 5.0  # of training before a pace is worth telling


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
        holder: token of the process's thread that holds or held it; empty for one that was never taken.
        progress_at: when its trainer last gave a sign of life.
        seconds_before: time it was trained before ``started_at``, in earlier attempts. ``resumed_step``: its step at ``training_started_at``.
        note, tags, pinned, archived: what people added.
        parent, parent_epoch, parent_step: the run it was forked from, which may have been deleted, and where.
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
    holder: str = ""
    progress_at: float | None = None
    seconds_before: float = 0.0
    resumed_step: int = 0
    note: str = ""
    tags: tuple[str, ...] = ()
    pinned: bool = False
    archived: bool = False
    parent: str | None = None
    parent_epoch: int | None = None
    parent_step: int | None = None

    @property
    def progress(self) -> float:
        """Share of the steps done, 0..1."""
        if self.status == RunStatus.FINISHED:
            return 1.0
        return min(self.step / self.steps_total, 1.0) if self.steps_total else 0.0

    @property
    def computed(self) -> dict[str, str]:
        """Device, precision and layout that it was really computed with; before it has begun what its config says, which may be ``auto``.

        A run that is to be compared with this one takes these into its config."""
        return {key: self.info.get(key) or getattr(self.config, key) for key in ("device", "precision", "layout")}

    @property
    def seconds(self) -> float:
        """Time in which a process held it, all attempts together; 0 before."""
        if self.started_at is None:
            return self.seconds_before
        end = self.finished_at if self.finished_at is not None else time.time()
        return self.seconds_before + max(end - self.started_at, 0.0)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds to go at the pace since it was last started or went on after a pause, validation included.

        None while it is paused, and until 10 steps or 5 seconds have been measured."""
        if not self.status.is_active() or self.status == RunStatus.PAUSED or self.training_started_at is None or not self.steps_total:
            return None
        done = self.step - self.resumed_step
        trained = max(time.time() - self.training_started_at, 0.0)
        if done <= 0 or (done < LEAST_STEPS and trained < LEAST_SECONDS):
            return None
        return trained * max(self.steps_total - self.step, 0) / done

    @property
    def silent_seconds(self) -> float:
        """How long nothing was heard of the trainer of a run that should be computing; 0 for any other."""
        if not self.status.is_active() or self.status == RunStatus.PAUSED:
            return 0.0
        heard = [moment for moment in (self.progress_at, self.started_at) if moment is not None]
        return max(time.time() - max(heard), 0.0) if heard else 0.0

    @property
    def is_hung(self) -> bool:
        """True where its process lives, but its trainer has been silent for longer than any step or batch should take."""
        return self.silent_seconds > HUNG_SECONDS
