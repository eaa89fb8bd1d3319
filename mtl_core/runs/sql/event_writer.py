"""Writing of a run's events to the store. It happens in the training thread, so step scalars, after the first two, are committed once a second."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, select, update

from mtl_core.events import REFUSED
from mtl_core.language import filled, mark
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
# Lines of the log. They are kept in English, and the pages find their translations.
STARTS, CONTINUES = (
    mark("training starts on {where}: {steps:,} {steps:step|steps}"),
    mark("training continues at step {step:,} of {steps:,} on {where}"),
)
CHANGED = mark("step {step:,}: {key} changed from {old:g} to {new:g}")
REPEATED = mark("step {step:,}: {key} changed from {old:g} to {new:g} (as in the config)")
PAUSED, RESUMED = mark("paused at step {step:,} (epoch {epoch:.4g})"), mark("resumed at step {step:,} (epoch {epoch:.4g})")
SCORED, MEASURED = mark("epoch {epoch:,}: measured, score {score:.4g}"), "epoch {epoch:,}: measured {splits}"
SAVED, SAVED_BEST = mark("epoch {epoch:,}: checkpoint saved"), mark("epoch {epoch:,}: checkpoint saved (best so far)")
ENDED = "{status} after {step:,} {step:step|steps} ({epoch:.4g} {epoch:epoch|epochs}) in {seconds:,.1f} s"
CASES = (  # of ``MEASURED`` and ``ENDED``: what the trainer reports
    mark("epoch {epoch:,}: measured val"),
    mark("epoch {epoch:,}: measured test"),
    mark("finished after {step:,} {step:step|steps} ({epoch:.4g} {epoch:epoch|epochs}) in {seconds:,.1f} s"),
    mark("stopped after {step:,} {step:step|steps} ({epoch:.4g} {epoch:epoch|epochs}) in {seconds:,.1f} s"),
)


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
        """Buffer the scalars of a StepScalars or EpochMetrics; a value of the same key and step replaces the earlier one.

        Raises:
            LongTextError: a key is too long. It is not buffered: a point that cannot be written would keep the run's end from being recorded.
        """
        for key in event.scalars:
            schema.SCALAR_KEY.check(key)
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


def _constants_of(connection: Connection, run_id: str) -> dict[str, float | None]:
    """What constant answers reach, as an earlier attempt has recorded it."""
    info = json.loads(connection.execute(select(schema.runs.c.info).where(schema.runs.c.id == run_id)).scalar() or "{}")
    return {name: task["constant"] for name, task in info.get("tasks", {}).items() if "constant" in task}


def _with_constants(info: dict[str, Any], constants: dict[str, float | None]) -> dict[str, Any]:
    """The facts of a run with what a constant answer reaches in each task (``EpochMetrics.constants``)."""
    tasks = {name: {**task, "constant": constants[name]} if name in constants else task for name, task in info.get("tasks", {}).items()}
    return {**info, "tasks": tasks} if tasks else info


def write_event(connection: Connection, run_id: str, event: Any, pending: Pending) -> tuple[str, str] | None:
    """Update the run's row for an event other than scalars.

    Returns:
        (level, text) of the event's log line, or None for an event without one. Events are recognised by class name, because after a
        reload of our modules the running trainer's classes are other objects.
    """
    kind = type(event).__name__
    runs = schema.runs
    if kind == "RunStarted":
        info = _with_constants(event.info, _constants_of(connection, run_id))
        values = {"steps_total": event.steps_total, "info": schema.to_json(info), "training_started_at": store_time()}
        values |= {"step": event.step, "epoch": float(event.epoch), "resumed_step": event.step}
        pending.info = event.info
        device = event.info.get("device")
        connection.execute(update(runs).where(runs.c.id == run_id).values(**values, **({"device": device} if device else {})))
        where = event.info.get("device_name") or device or "this machine"
        if event.step:
            return "info", filled(CONTINUES, step=event.step, steps=event.steps_total, where=where)
        return "info", filled(STARTS, where=where, steps=event.steps_total)
    if kind == "SettingChanged":
        if not event.replayed:  # the change becomes part of the run's config: a resumed run, a clone and a fork replay it
            config = json.loads(connection.execute(select(runs.c.config).where(runs.c.id == run_id)).scalar_one())
            config.setdefault("changes", []).append({"step": event.step, "key": event.key, "value": event.new})
            connection.execute(update(runs).where(runs.c.id == run_id).values(config=schema.to_json(config)))
            _forget_changes(connection, run_id, event.key)
            write_facts(connection, run_id)
        return "info", filled(REPEATED if event.replayed else CHANGED, step=event.step, key=event.key, old=event.old, new=event.new)
    if kind in ("Paused", "Resumed"):
        before, after = ("running", "pausing"), "paused"
        if kind == "Resumed":
            before, after = ("paused", "pausing", "running"), "running"
        values = {"status": after, "step": event.step, "epoch": event.epoch}
        if kind == "Resumed":  # the pace is measured from here, because the pause must not count
            values |= {"training_started_at": store_time(), "resumed_step": event.step}
        # No change if a stop was requested meanwhile.
        connection.execute(update(runs).where(runs.c.id == run_id, runs.c.status.in_(before)).values(**values))
        return "info", filled(PAUSED if kind == "Paused" else RESUMED, step=event.step, epoch=event.epoch)
    if kind == "RunEnded":
        values = {"status": str(event.status), "finished_at": store_time(), "heartbeat_at": store_time()}
        if connection.execute(select(runs.c.training_started_at).where(runs.c.id == run_id)).scalar() is not None:
            pace = event.steps_per_second  # an attempt without training keeps the position of the attempts before it
            values |= {"step": event.step, "epoch": float(event.epoch), "steps_per_second": pace if pace == pace else None}
        connection.execute(update(runs).where(runs.c.id == run_id).values(**values))
        if pending.has_replaced:
            compute_results(connection, pending.run, pending.info)
        return "info", filled(ENDED, status=event.status, step=event.step, epoch=event.epoch, seconds=event.seconds)
    if kind == "EpochMetrics" and event.constants:
        info = json.loads(connection.execute(select(runs.c.info).where(runs.c.id == run_id)).scalar() or "{}")
        connection.execute(update(runs).where(runs.c.id == run_id).values(info=schema.to_json(_with_constants(info, event.constants))))
    if kind == "Message" and event.subject.startswith(f"{REFUSED} "):
        _forget_changes(connection, run_id, event.subject.removeprefix(f"{REFUSED} "))
    return _line(kind, event)


def _line(kind: str, event: Any) -> tuple[str, str] | None:
    if kind == "EpochMetrics":
        score = event.scalars.get("selection/score")
        if score is not None:
            return "info", filled(SCORED, epoch=event.epoch, score=score)
        return "info", filled(MEASURED, epoch=event.epoch, splits=", ".join(sorted({key.split("/")[0] for key in event.scalars})))
    if kind == "CheckpointSaved":
        return "info", filled(SAVED_BEST if event.best else SAVED, epoch=event.epoch)
    if kind == "Message":
        return event.level, event.text
    return None  # step scalars and probes appear in curves and files
