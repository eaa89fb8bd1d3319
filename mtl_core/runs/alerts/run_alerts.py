"""RunAlerts: what a run that trains reports by itself. The thread that writes its heartbeats asks for new alerts every few seconds.

Alerts are lines of the run's log with the level ``ALERT``, so that every page, command and report that reads the log has them.
"""

from __future__ import annotations

import math
import shutil
import threading
from pathlib import Path
from typing import Any

from mtl_core.errors import StoreError, not_finite
from mtl_core.events import SKIPPED
from mtl_core.language import HalfUp
from mtl_core.runs.alerts.thresholds import Threshold, mark_reached, thresholds
from mtl_core.scalar_words import scalar_words

ALERT = "alert"  # level of the log line
STALL_SECONDS = 30.0  # a shorter pause between two steps or batches is never a stall
STALL_FACTOR = 10.0  # a pause this many times as long as the longest one so far is a stall
LOW_DISK = 1 << 30  # bytes free on the store's disk, below which a checkpoint may fail to be saved
MOST_NON_FINITE = 5  # values that are named one by one; a run that has become NaN everywhere needs no more


class Stall:
    """Detection of a pause that is much longer than any before. Times in seconds of any clock that does not jump."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.since: float | None = None  # the start of the present stall
        self._heard: float | None = None

    def check(self, heard: float, now: float) -> tuple[str, str] | None:
        """The log line (level, text) that is due, if any: one at the beginning of a stall and one at its end.

        Args:
            heard: time of the last step or batch.
        """
        heard = max(heard, self._heard or heard)  # after a pause, the time of its end counts
        if self._heard is not None and heard > self._heard:
            self._heard = heard
            if self.since is not None:
                lasted, self.since = heard - self.since, None
                return "info", f"training goes on after {lasted:.0f} s without a step"
        self._heard = heard
        silence = now - heard
        if self.since is not None:
            return None
        if silence <= max(STALL_SECONDS, STALL_FACTOR * self.longest):
            self.longest = max(self.longest, silence)
            return None
        self.since = heard
        usual = f"the longest pause before was {self.longest:.1f} s" if self.longest else "no pause was measured before"
        return ALERT, f"stalled: no step for {silence:.0f} s ({usual}). The machine may be busy, out of memory, or waiting for a disk"

    def rest(self, now: float) -> None:
        """Nothing is expected now, because the run is paused."""
        self.since, self._heard = None, now


class RunAlerts:
    """The alerts of one attempt to train a run. ``take`` is called in the training thread, ``due`` in the thread of the heartbeats.

    Args:
        folder: the run's folder, with its thresholds.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.stall = Stall()
        self._lock = threading.Lock()
        self._tasks: dict[str, Any] = {}
        self._latest: dict[str, tuple[float, int, float]] = {}  # key -> value, step, epoch
        self._new: list[tuple[str, float, int, float]] = []  # since the last ``due``
        self._was_finite: set[str] = set()
        self._non_finite: set[str] = set()
        self._lines: list[tuple[str, str]] = []
        self._low_disk = self._has_skipped = self.trains = False
        self._told: set[str] = set()  # names of thresholds that were reached and whose files cannot say it, as on a full disk

    def take(self, event: Any) -> None:
        """Note an event of the trainer. Reads and writes nothing, because the training thread waits for it."""
        kind = type(event).__name__
        if kind == "RunStarted":
            self.trains, self._tasks = True, event.info.get("tasks", {})
        if kind == "Message" and event.subject == SKIPPED and not self._has_skipped:
            with self._lock:
                self._has_skipped = True
                self._lines.append((ALERT, f"a loss or a gradient was not finite: {event.text}; further ones are only in the log"))
        if kind not in ("StepScalars", "EpochMetrics"):
            return
        with self._lock:
            for key, value in event.scalars.items():
                if value is not None and math.isfinite(value):
                    self._was_finite.add(key)
                    self._latest[key] = (float(value), event.step, float(event.epoch))
                    self._new.append((key, *self._latest[key]))
                else:
                    self._note_non_finite(key, math.nan if value is None else value, event.step)

    def due(self, heard: float, now: float, paused: bool, disk: Path) -> list[tuple[str, str]]:
        """The log lines (level, text) that are due.

        Args:
            heard, now: time of the trainer's last step or batch, and the present time, both of ``time.monotonic``.
            paused: no step is expected.
            disk: folder on the store's disk.
        """
        with self._lock:
            new, self._new = self._new, []
            lines, self._lines = self._lines, []
            latest = dict(self._latest)
        lines += self._reached(new, latest)
        if paused:
            self.stall.rest(now)
        elif self.trains and (line := self.stall.check(heard, now)):
            lines.append(line)
        return lines + self._disk_lines(disk)

    def _note_non_finite(self, key: str, value: float, step: int) -> None:
        """A loss must be finite; a metric may be undefined from the start (no labels), but must not become so."""
        if key in self._non_finite or not (key.endswith("/loss") or key in self._was_finite):
            return
        self._non_finite.add(key)
        if len(self._non_finite) <= MOST_NON_FINITE:
            whose = scalar_words(key, self._tasks)
            self._lines.append((ALERT, f"{whose} is {not_finite(value)} at step {step}"))

    def _reached(self, new: list[tuple[str, float, int, float]], latest: dict[str, tuple[float, int, float]]) -> list[tuple[str, str]]:
        """Lines for thresholds that a value since the last call is beyond; for a threshold that is new, the latest value counts, too."""
        lines = []
        for threshold in thresholds(self.folder):
            if threshold.reached is not None or threshold.name in self._told:
                continue
            seen = [found for key, *found in new if key == threshold.key] + [latest[key] for key in [threshold.key] if key in latest]
            for value, step, epoch in seen:
                if threshold.is_reached_by(value):
                    scalar = scalar_words(threshold.key, self._tasks)
                    lines.append((ALERT, _reached_words(scalar, threshold, value, step, epoch)))
                    try:
                        mark_reached(self.folder, threshold, value, int(step), epoch)
                    except StoreError:  # the alert is repeated after a restart
                        self._told.add(threshold.name)
                    break
        return lines

    def _disk_lines(self, disk: Path) -> list[tuple[str, str]]:
        try:
            free = shutil.disk_usage(disk).free
        except OSError:
            return []
        was_low, self._low_disk = self._low_disk, free < (2 if self._low_disk else 1) * LOW_DISK  # twice: no flicker around the bound
        if was_low or not self._low_disk:
            return []
        advice = "a checkpoint may fail to be saved. Free space, or stop the run"
        return [(ALERT, f"low disk: {free / 1e6:,.0f} MB are free on the disk of the run store ('{disk}'); {advice}")]


def _reached_words(scalar: str, threshold: Threshold, value: float, step: float, epoch: float) -> str:
    """The alert as one sentence for each case, so that it can be translated as a whole."""
    bound, value = HalfUp(threshold.bound), HalfUp(value)
    if abs(epoch - round(epoch)) < 1e-6:
        return (
            f"{scalar} is above {bound:g}: {value:.4g} after epoch {epoch:.0f}"
            if threshold.above
            else f"{scalar} is below {bound:g}: {value:.4g} after epoch {epoch:.0f}"
        )
    return (
        f"{scalar} is above {bound:g}: {value:.4g} at step {step}" if threshold.above else f"{scalar} is below {bound:g}: {value:.4g} at step {step}"
    )
