"""What pruning deletes from a store, and how much that frees."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.run_listing import RunQuery
from mtl_core.runs.store import RunStore

DAY = 86400.0  # seconds


@dataclass(frozen=True)
class Prunable:
    """A run that would be deleted. ``size``: bytes that its deletion frees: files that no fork shares, and its scalars."""

    run: Run
    size: int


def prunable(store: RunStore, statuses: Sequence[str] = (), older_than: float = 0.0, archived_only: bool = False, keep: int = 0) -> list[Prunable]:
    """The runs that pruning would delete, the newest first: those that have ended, are not pinned, belong to no study, and match.

    Args:
        statuses: the states to choose from; empty for every state.
        older_than: days since the run was made.
        archived_only: only archived runs.
        keep: how many of the newest that match are kept.
    """
    before = time.time() - older_than * DAY
    with store.database.read() as connection:
        studied = set(connection.execute(select(schema.study_runs.c.run_id)).scalars())
    found = [
        run
        for run in store.listed(RunQuery(statuses=tuple(statuses), archived=True))
        if run.status.is_ended() and not run.pinned and run.id not in studied and run.created_at <= before and (run.archived or not archived_only)
    ]
    sizes = _scalar_sizes(store)
    return [Prunable(run, store.artifacts.freed(run.id, store.place(run.id)) + sizes.get(run.id, 0)) for run in found[keep:]]


def _scalar_sizes(store: RunStore) -> dict[str, int]:
    points, runs = schema.points, schema.runs
    summed = select(runs.c.id, func.sum(func.length(points.c.packed))).join(points, points.c.run == runs.c.number).group_by(runs.c.id)
    with store.database.read() as connection:
        return {run_id: int(size) for run_id, size in connection.execute(summed)}
