"""Writing of a run's events to the store, in the training thread. Step scalars are buffered and committed once a second, the first ones at once."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, select, update

from mtl_core.events import REFUSED
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.sql.leases import write_sign_of_life
from mtl_core.runs.sql.result_rows import compute_results, write_results
from mtl_core.runs.sql.run_facts import write_facts
from mtl_core.runs.sql.scalar_points import Point, write_points
from mtl_core.runs.sql.scalar_summary import RunningSummary

COMMIT_SECONDS = 1.0
FIRST_POINTS = 2  # a line needs two; so many are committed at once when training begins, so that the curves begin with the run
PACE_MEMORY = 10.0  # seconds of training over which the displayed pace is averaged


@dataclass
class Pending:
    """The uncommitted scalars of one run, what it reached, and its pace.

    Attributes:
        run: the run's number in the store.
        started_at: the zero of wall_time.
        summary: of all its scalars, stored and buffered. ``info``: ``RunStarted.info``.
        has_replaced: whether a stored value was replaced, so that the summary may hold an extreme that is gone.
        taken: number of points so far. is_first: whether the first ``FIRST_POINTS`` of them have just come.
        position: (step, epoch) of the run according to the buffered points; None if no point gives it, and then the store keeps its value.
    """

    run: int
    started_at: float
    summary: RunningSummary = field(default_factory=RunningSummary)
    info: dict[str, Any] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    has_replaced: bool = False
    taken: int = 0
    is_first: bool = False
    position: tuple[int, float] | None = None
    committed: float = field(default_factory=time.monotonic)
    last_seen: tuple[int, float] | None = None  # step and time of the previous event, if it was step scalars
    paced_steps: float = 0.0
    paced_seconds: float = 0.0

    def is_due(self) -> bool:
        """True when rows have waited for ``COMMIT_SECONDS``, and for the first ``FIRST_POINTS``."""
        return bool(self.points) and (self.is_first or time.monotonic() - self.committed >= COMMIT_SECONDS)

    def take(self, event: Any) -> None:
        """Buffer the scalars of a StepScalars or EpochMetrics; a value of the same key and step replaces the earlier one."""
        values = tuple(math.nan if value is None else float(value) for value in event.scalars.values())
        point = Point(event.step, float(event.epoch), max(store_time() - self.started_at, 0.0), tuple(event.scalars), values)
        if point.keys:
            self.points.append(point)
            self.taken += 1
            self.is_first |= self.taken == FIRST_POINTS
            self.summary.take(point)
        if not all(key.startswith("test/") for key in event.scalars):  # test metrics carry the epoch that val chose, not the present one
            self.position = event.step, float(event.epoch)

    def pace(self, step: int | None) -> None:
        """Update the pace: steps up to ``step`` are done. None: something other than training happened; its time must not count."""
        now = time.monotonic()
        if step is not None and self.last_seen is not None and step > self.last_seen[0]:
            steps, seconds = step - self.last_seen[0], now - self.last_seen[1]
            kept = max(0.0, 1.0 - seconds / PACE_MEMORY)
            self.paced_steps, self.paced_seconds = self.paced_steps * kept + steps, self.paced_seconds * kept + seconds
        self.last_seen = None if step is None else (step, now)

    @property
    def steps_per_second(self) -> float | None:
        return self.paced_steps / self.paced_seconds if self.paced_seconds > 0 else None


def write_pending(connection: Connection, run_id: str, pending: Pending) -> None:
    """Write the buffered points, what the run reached with them, and its position. Points replace values of the same key and step.

    This does not update ``progress_at``: the heartbeat thread also writes points that a hung trainer left.
    """
    if not pending.points:
        return
    if write_points(connection, pending.run, pending.points):
        pending.has_replaced = True
    write_results(connection, pending.run, pending.summary, pending.info)
    values: dict[str, Any] = {}
    if pending.position is not None:
        values["step"], values["epoch"] = pending.position
    if pending.steps_per_second is not None:
        values["steps_per_second"] = pending.steps_per_second
    if values:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(**values))


def write_progress_time(connection: Connection, run_id: str) -> None:
    """Set ``heartbeat_at`` and ``progress_at`` to now: the trainer has just sent an event."""
    write_sign_of_life(connection, run_id, progress_at=store_time())


def _forget_changes(connection: Connection, run_id: str, key: str) -> None:
    """Delete the requests to change ``key`` that the trainer has taken: what came of them is in the run's config or in its log."""
    controls = schema.controls
    taken = select(controls).where(controls.c.run_id == run_id, controls.c.kind == "change", controls.c.applied_at.is_not(None))
    done = [row.number for row in connection.execute(taken) if json.loads(row.payload)["key"] == key]
    connection.execute(delete(controls).where(controls.c.number.in_(done)))


def write_event(connection: Connection, run_id: str, event: Any, pending: Pending) -> tuple[str, str] | None:
    """Update the run's row for an event other than scalars.

    Returns:
        (level, text) of the event's log line, or None for an event without one. Events are recognised by class name, because after a
        reload of our modules the running trainer's classes are other objects.
    """
    kind = type(event).__name__
    runs = schema.runs
    if kind == "RunStarted":
        values = {"steps_total": event.steps_total, "info": schema.to_json(event.info), "training_started_at": store_time()}
        values |= {"step": event.step, "epoch": float(event.epoch), "resumed_step": event.step}
        pending.info = event.info
        device = event.info.get("device")
        connection.execute(update(runs).where(runs.c.id == run_id).values(**values, **({"device": device} if device else {})))
        where = event.info.get("device_name") or device or "this machine"
        if event.step:
            return "info", f"training continues at step {event.step} of {event.steps_total} on {where}"
        return "info", f"training starts on {where}: {event.steps_total} steps"
    if kind == "SettingChanged":
        if not event.replayed:  # the change becomes part of the run's config: a resumed run, a clone and a fork replay it
            config = json.loads(connection.execute(select(runs.c.config).where(runs.c.id == run_id)).scalar_one())
            config.setdefault("changes", []).append({"step": event.step, "key": event.key, "value": event.new})
            connection.execute(update(runs).where(runs.c.id == run_id).values(config=schema.to_json(config)))
            _forget_changes(connection, run_id, event.key)
            write_facts(connection, run_id)
        return "info", f"step {event.step}: {event.key} changed from {event.old:g} to {event.new:g}{' (as in the config)' if event.replayed else ''}"
    if kind in ("Paused", "Resumed"):
        before, after = ("running", "pausing"), "paused"
        if kind == "Resumed":
            before, after = ("paused", "pausing", "running"), "running"
        values = {"status": after, "step": event.step, "epoch": event.epoch}
        if kind == "Resumed":  # the pace is measured from here, because the pause must not count
            values |= {"training_started_at": store_time(), "resumed_step": event.step}
        # No change if a stop was requested meanwhile.
        connection.execute(update(runs).where(runs.c.id == run_id, runs.c.status.in_(before)).values(**values))
        return "info", f"{kind.lower()} at step {event.step} (epoch {event.epoch:.4g})"
    if kind == "RunEnded":
        values = {"status": str(event.status), "finished_at": store_time(), "heartbeat_at": store_time()}
        if connection.execute(select(runs.c.training_started_at).where(runs.c.id == run_id)).scalar() is not None:
            pace = event.steps_per_second  # an attempt without training keeps the position of the attempts before it
            values |= {"step": event.step, "epoch": float(event.epoch), "steps_per_second": pace if pace == pace else None}
        connection.execute(update(runs).where(runs.c.id == run_id).values(**values))
        if pending.has_replaced:
            compute_results(connection, pending.run, pending.info)
        return "info", f"{event.status} after {event.step} steps ({event.epoch:.4g} epochs) in {event.seconds:.1f} s"
    if kind == "Message" and event.subject.startswith(f"{REFUSED} "):
        _forget_changes(connection, run_id, event.subject.removeprefix(f"{REFUSED} "))
    return _line(kind, event)


def _line(kind: str, event: Any) -> tuple[str, str] | None:
    if kind == "EpochMetrics":
        score = event.scalars.get("selection/score")
        if score is not None:
            return "info", f"epoch {event.epoch}: measured, score {score:.4g}"
        return "info", f"epoch {event.epoch}: measured {', '.join(sorted({key.split('/')[0] for key in event.scalars}))}"
    if kind == "CheckpointSaved":
        return "info", f"epoch {event.epoch}: checkpoint saved{' (best so far)' if event.best else ''}"
    if kind == "Message":
        return event.level, event.text
    return None  # step scalars and probes appear in curves and files
