"""The narrow table of results: best, last, chosen and mean value of every scalar of a run, written in the transaction that writes the scalars."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from mtl_core.runs.sql import schema
from mtl_core.runs.sql.scalar_points import AT_ONCE, forget_keys, key_numbers, number_of, read_points
from mtl_core.runs.sql.scalar_summary import RunningSummary, direction, summary_of

_results, _keys = schema.run_results, schema.scalar_keys


def write_results(connection: Connection, run: int, summary: RunningSummary, info: dict[str, Any], has_means: bool = True) -> None:
    """Write the lines of the keys that have changed, in the caller's transaction.

    Args:
        run: the run's number.
        info: ``RunStarted.info``.
        has_means: whether the table has the columns of means, which came with version 5.
    """
    changed = summary.taken()
    numbers = key_numbers(connection, changed)
    for keys in portions(changed):
        connection.execute(delete(_results).where(_results.c.run == run, _results.c.key.in_([numbers[key] for key in keys])))
    if changed:
        connection.execute(
            insert(_results),
            [{"run": run, "key": numbers[key], **summary.line(key, info), **(summary.mean(key) if has_means else {})} for key in changed],
        )


def stored_summary(connection: Connection, run: int) -> RunningSummary:
    """The summary of what is stored of a run, read from its scalars."""
    return summary_of(point for _, point in read_points(connection, schema.points.c.run == run))


def compute_results(connection: Connection, run: int, info: dict[str, Any]) -> None:
    """Compute a run's results anew from its scalars and write them."""
    connection.execute(delete(_results).where(_results.c.run == run))
    write_results(connection, run, stored_summary(connection, run), info)


def summaries(connection: Connection, run_ids: Sequence[str], keys: Collection[str] | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """Run id -> ``{key: {"best", "last", "chosen", "best_epoch", "higher_is_better", "title", "unit"}}``, sorted by key.

    Args:
        keys: those that are wanted; None for all.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {run_id: {} for run_id in run_ids}
    runs = schema.runs
    for ids in portions(found):
        infos = {row.id: json.loads(row.info or "{}") for row in connection.execute(select(runs.c.id, runs.c.info).where(runs.c.id.in_(ids)))}
        for row in connection.execute(lines_of(ids) if keys is None else lines_of(ids).where(_keys.c.key.in_(keys))):
            higher, title, unit = direction(row.name, infos[row.id])
            values = {"best": row.best, "last": row.last, "chosen": row.chosen, "best_epoch": row.best_epoch}
            found[row.id][row.name] = {**values, "higher_is_better": higher, "title": title, "unit": unit}
    return found


def lines_of(run_ids: Sequence[str]) -> Any:
    """Query for the results of runs, with the run's ``id`` and the key's ``name``, sorted by it."""
    runs = schema.runs
    joined = _results.join(runs, runs.c.number == _results.c.run).join(_keys, _keys.c.number == _results.c.key)
    return select(runs.c.id, _keys.c.key.label("name"), _results).select_from(joined).where(runs.c.id.in_(run_ids)).order_by(_keys.c.key)


def forget_test_results(connection: Connection, run_id: str) -> None:
    """Delete what a run measured on test: it trains on, and its new end will measure again."""
    run = connection.execute(select(number_of(run_id))).scalar_one()
    forget_keys(connection, run, "test/")
    tested = select(_keys.c.number).where(_keys.c.key.startswith("test/"))
    connection.execute(delete(_results).where(_results.c.run == run, _results.c.key.in_(tested)))


def portions(ids: Iterable[str]) -> list[list[str]]:
    """The ids in lists that fit into one query."""
    every = list(ids)
    return [every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE)]
