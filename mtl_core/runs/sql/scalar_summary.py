"""Best and last value of every scalar of a run, and whether higher is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, func, or_, select

from mtl_core.runs.sql.schema import scalars

# First parts of keys for which neither higher nor lower is better: settings and gradient statistics.
_NO_BEST = (
    "sharing",
    "optimizer",
    "loss_weight",
    "gradient_norm",
    "gradient_share",
    "conflict",
    "conflict_share",
    "affinity",
    "task_vector_norm",
    "task_vector_cosine",
)
_BIGGEST = 1.7e308


def summarise(connection: Connection, run_id: str, info: dict[str, Any], splits: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """``{key: {"best", "last", "best_epoch", "higher_is_better", "title", "unit"}}``, sorted by key.

    NaN and infinite values are never best; a last value that is not finite is None. If no direction is known, ``best``, ``best_epoch``
    and ``higher_is_better`` are None. ``info``: ``RunStarted.info``. The database finds the extremes, so a long run costs little.
    ``splits``: first parts of the keys that are wanted; empty for all keys.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(_extremes(run_id, splits)):
        entry = found.setdefault(row.key, {"values": {}, "last": None, "low": row.low, "high": row.high})
        if row.value is not None:
            entry["values"][row.value] = row.first_epoch
        if row.last_step == row.step:
            entry["last"] = row.value if row.value is not None and abs(row.value) <= _BIGGEST else None
    return {key: _entry_of(key, entry, info) for key, entry in sorted(found.items())}


def direction(key: str, info: dict[str, Any]) -> tuple[bool | None, str, str]:
    """(higher_is_better or None, title, unit) of a scalar key."""
    split, _, rest = key.partition("/")
    name = key.rsplit("/", 1)[-1]
    if split in _NO_BEST:
        return None, name, ""
    if key == "selection/score":
        return True, "Score that chooses the best checkpoint", ""
    known = info.get("tasks", {}).get(rest.rpartition("/")[0], {}).get("metrics", {}).get(name)
    if known:
        return known.get("higher_is_better"), known.get("title") or name, known.get("unit") or ""
    return (False, "Loss", "") if name == "loss" else (None, name, "")


def _extremes(run_id: str, splits: Sequence[str]) -> Any:
    """Query for the rows with the lowest, highest and last value of every key; equal values of a key form one row."""
    wanted_keys = [or_(*(scalars.c.key.startswith(f"{split}/") for split in splits))] if splits else []
    finite = case((func.abs(scalars.c.value) <= _BIGGEST, scalars.c.value))
    ends = (
        select(scalars.c.key, func.min(finite).label("low"), func.max(finite).label("high"), func.max(scalars.c.step).label("step"))
        .where(scalars.c.run_id == run_id, *wanted_keys)
        .group_by(scalars.c.key)
        .cte("ends")
    )
    value = scalars.c.value
    wanted = or_(scalars.c.step == ends.c.step, value == ends.c.low, value == ends.c.high)
    columns = (func.min(scalars.c.epoch).label("first_epoch"), func.max(scalars.c.step).label("last_step"))
    return (
        select(scalars.c.key, value, *columns, ends.c.low, ends.c.high, ends.c.step)
        .join(ends, and_(scalars.c.key == ends.c.key, wanted))
        .where(scalars.c.run_id == run_id)
        .group_by(scalars.c.key, value, ends.c.low, ends.c.high, ends.c.step)
    )


def _entry_of(key: str, entry: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    higher, title, unit = direction(key, info)
    best = None if higher is None else entry["high" if higher else "low"]
    best_epoch = None if best is None else entry["values"][best]
    return {"best": best, "last": entry["last"], "best_epoch": best_epoch, "higher_is_better": higher, "title": title, "unit": unit}
