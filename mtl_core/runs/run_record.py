"""Run: one row of the store, for the screen and the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mtl_core.config import RunConfig
from mtl_core.config_differences import Phrase
from mtl_core.run_names import SEPARATOR
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.status import RunStatus

HUNG_SECONDS = 60.0  # the trainer reports progress at every step, every batch of an evaluation, and while data are prepared

LEAST_STEPS, LEAST_SECONDS = 10, 5.0  # of training before the pace is shown


@dataclass(frozen=True)
class LogLine:
    """One line of a run's log. ``time`` in seconds since 1970; ``level`` is info, warning or error."""

    time: float
    level: str
    text: str


@dataclass(frozen=True)
class Alert:
    """One alert of a run. ``number`` grows with every line of any run's log; ``time`` in seconds since 1970."""

    number: int
    run_id: str
    time: float
    text: str


@dataclass(frozen=True)
class Run:
    """The state of a run at the time of reading.

    Attributes:
        status: checked against the process: a run whose process is gone is ``interrupted``, with its last step and epoch.
        created_at, started_at, training_started_at, finished_at, heartbeat_at: seconds since 1970; None if it has not happened.
            ``started_at``: a process claimed the run. ``training_started_at``: its data were ready.
        name: the name that a person gave, else one made from the settings (``mtl_core.run_names``). ``left_out``: what it leaves out; may be empty.
        epoch: passes over the training split so far, with the fraction of the current one.
        steps_per_second: recent pace during training, mean pace of the whole run after its end; training steps only.
        info: ``RunStarted.info``, with ``constant`` of each task from the first epoch's end on (``EpochMetrics.constants``); empty before.
        failure: ``kind``, ``message``, ``facts``, ``cure``, ``trace``; None unless failed.
        device: the device in use; until it is known, the device of the config.
        queue_position: 1 for the next run; None unless queued.
        holder: token of the present or last claim; empty if the run was never claimed.
        progress_at: time of the trainer's last step or batch, seconds since 1970.
        seconds_before: seconds of training in earlier attempts, before ``started_at``. ``resumed_step``: the step at ``training_started_at``.
        note, tags, pinned, archived: set by people.
        parent, parent_epoch, parent_step: the run from which it was forked (it may have been deleted), and the epoch and step of the fork.
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
    left_out: tuple[Phrase, ...] = ()

    @property
    def subtitle(self) -> str:
        """What the name leaves out, in the reader's language; may be empty."""
        return SEPARATOR.join(each.said() for each in self.left_out)

    @property
    def progress(self) -> float:
        """Share of the steps that are done, 0..1."""
        if self.status == RunStatus.FINISHED:
            return 1.0
        return min(self.step / self.steps_total, 1.0) if self.steps_total else 0.0

    @property
    def computed(self) -> dict[str, str]:
        """Device, precision and layout in use; before the start those of the config, which may be ``auto``.

        A run that is compared with this one copies them into its config."""
        return {key: self.info.get(key) or getattr(self.config, key) for key in ("device", "precision", "layout")}

    @property
    def seconds(self) -> float:
        """Seconds during which a process held the run, over all attempts; 0 before the first."""
        if self.started_at is None:
            return self.seconds_before
        end = self.finished_at if self.finished_at is not None else store_time()
        return self.seconds_before + max(end - self.started_at, 0.0)

    @property
    def eta_seconds(self) -> float | None:
        """Estimated seconds left, from the pace since the last start or the end of the last pause, validation included.

        None while the run is paused, and until 10 steps or 5 seconds have been measured."""
        if not self.status.is_active() or self.status == RunStatus.PAUSED or self.training_started_at is None or not self.steps_total:
            return None
        done = self.step - self.resumed_step
        trained = max(store_time() - self.training_started_at, 0.0)
        if done <= 0 or (done < LEAST_STEPS and trained < LEAST_SECONDS):
            return None
        return trained * max(self.steps_total - self.step, 0) / done

    @property
    def silent_seconds(self) -> float:
        """Seconds since the trainer's last progress; 0 for a run that is paused or not active."""
        if not self.status.is_active() or self.status == RunStatus.PAUSED:
            return 0.0
        heard = [moment for moment in (self.progress_at, self.started_at) if moment is not None]
        return max(store_time() - max(heard), 0.0) if heard else 0.0

    @property
    def is_hung(self) -> bool:
        """True if the process is alive but the trainer has made no progress for ``HUNG_SECONDS``."""
        return self.silent_seconds > HUNG_SECONDS
