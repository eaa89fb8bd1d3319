"""Conversion of rows of the ``runs`` table to Run objects."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, StoreError
from mtl_core.run_names import RunName, run_name
from mtl_core.runs.process_identity import Owner, is_alive
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time, unheard_of
from mtl_core.runs.status import RunStatus

_runs = schema.runs
QUEUE_ORDER = (func.coalesce(_runs.c.queue_rank, _runs.c.created_at), _runs.c.number)
_PLAIN = (
    *("id", "created_at", "started_at", "training_started_at", "step", "steps_total", "epoch", "steps_per_second", "heartbeat_at"),
    *("progress_at", "seconds_before", "resumed_step", "note", "parent_epoch", "parent_step"),
)


def run_of(row: Row, status: RunStatus, finished_at: float | None, queue: list[str], failure: dict[str, Any] | None = None) -> Run:
    """The run in ``row``, with the given status and end.

    Raises:
        StoreError: the config was written by another version and cannot be read.
    """
    config, tags = config_of(row.config, row.id), tuple(json.loads(row.tags))
    name = name_of(row.config, row.id, tags, row.title or "")
    if failure is None and row.failure:
        failure = json.loads(row.failure)
    return Run(
        **{name: getattr(row, name) for name in _PLAIN},
        name=name.title,
        left_out=name.left_out,
        status=status,
        config=config,
        finished_at=finished_at,
        epochs=config.epochs,
        device=row.device or config.device,
        queue_position=queue.index(row.id) + 1 if row.id in queue else None,
        info=json.loads(row.info),
        failure=failure,
        holder=row.owner_token or "",
        tags=tags,
        pinned=bool(row.pinned),
        archived=bool(row.archived),
        parent=row.parent_id,
    )


def is_held(row: Row) -> bool:
    """True while the process that claimed the run can still be training it."""
    if row.owner_pid is None or row.heartbeat_at is None:
        return False
    lease = getattr(row, "lease_seconds", schema.LEAST_LEASE)  # stores of earlier versions have no leases
    return is_alive(Owner(row.owner_host, row.owner_pid, row.owner_started), unheard_of(row.heartbeat_at, store_time()), lease)


def lock_run(connection: Connection, run_id: str) -> str | None:
    """Lock a run's row until the transaction ends, so that its claim stays. Returns the claim's token; None without a claim or a run."""
    return connection.execute(select(_runs.c.owner_token).where(_runs.c.id == run_id).with_for_update(key_share=True)).scalar()


def is_in_store(connection: Connection, run_id: str) -> bool:
    """Whether a run with exactly this id exists."""
    return connection.execute(select(_runs.c.id).where(_runs.c.id == run_id)).first() is not None


def forget_run(connection: Connection, run_id: str) -> None:
    """Delete every row about a run, in the caller's transaction."""
    number = connection.execute(select(_runs.c.number).where(_runs.c.id == run_id)).scalar()
    for table in (schema.points, schema.run_results, schema.run_facts):
        connection.execute(delete(table).where(table.c.run == number))
    for table in (schema.log, schema.controls, schema.study_runs):
        connection.execute(delete(table).where(table.c.run_id == run_id))
    connection.execute(delete(_runs).where(_runs.c.id == run_id))


def queue_of(connection: Connection) -> list[str]:
    """Ids of the queued runs, the next one first."""
    waiting = select(_runs.c.id).where(_runs.c.status == RunStatus.QUEUED.value).order_by(*QUEUE_ORDER)
    return list(connection.execute(waiting).scalars())


def end_of_queue(connection: Connection) -> float:
    """The rank of a run that is queued now: behind all that wait, also those that were queued before the clock was set back."""
    last = select(func.max(func.coalesce(_runs.c.queue_rank, _runs.c.created_at))).where(_runs.c.status == RunStatus.QUEUED.value)
    return max(store_time(), (connection.execute(last).scalar() or 0.0) + 0.001)


def place_of_interrupted(connection: Connection, run_id: str) -> float:
    """The queue rank of an interrupted run that is queued again: its old rank, or one before every queued run that no process has begun."""
    rank = func.coalesce(_runs.c.queue_rank, _runs.c.created_at)
    old = connection.execute(select(rank).where(_runs.c.id == run_id)).scalar() or 0.0
    not_begun = select(func.min(rank)).where(_runs.c.status == RunStatus.QUEUED.value, _runs.c.owner_pid.is_(None))
    first = connection.execute(not_begun).scalar()
    return old if first is None else min(old, first - 0.001)


@lru_cache(maxsize=4096)
def config_of(text: str, run_id: str) -> RunConfig:
    """The config in a row. Raises StoreError if this version cannot read it."""
    try:
        return RunConfig.from_stored(json.loads(text))
    except ConfigError as error:
        raise StoreError(f"the config of run {run_id} cannot be read by this version of the program: {error}") from None


def can_be_read(text: str, run_id: str) -> bool:
    """Whether this version can read a run's config."""
    try:
        config_of(text, run_id)
    except StoreError:
        return False
    return True


@lru_cache(maxsize=4096)
def name_of(text: str, run_id: str, tags: tuple[str, ...], typed: str) -> RunName:
    """The name of a run: ``text`` is its config as stored, ``typed`` the title that a person gave."""
    return run_name(config_of(text, run_id), tags, typed)


def not_found(connection: Connection, run_id: str, matching: list[str]) -> str:
    """The error text for an id that matches no run, or several (``matching``)."""
    if matching:
        return f"'{run_id}' could be any of {', '.join(matching[:5])}{' ...' if len(matching) > 5 else ''}; give more of the id"
    known = list(connection.execute(select(_runs.c.id).order_by(_runs.c.number.desc()).limit(5)).scalars())
    return f"no run '{run_id}'. The newest runs are: {', '.join(known)}" if known else f"no run '{run_id}': there are no runs yet"
