"""Results per run: best, last and chosen value of every metric, written when the run ends, so that verdicts read no scalars."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select

from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import Database
from mtl_core.runs.sql.run_rows import is_held
from mtl_core.runs.sql.scalar_summary import direction, summarise
from mtl_core.runs.status import RunStatus

SPLITS = ("val", "test")
AT_ONCE = 500  # ids in one query; SQLite allows 32,766 variables
_COLUMNS = ("task", "metric", "split", "best", "last", "chosen", "best_epoch", "chosen_epoch", "higher_is_better")


@dataclass(frozen=True)
class Result:
    """What a run reached in one metric.

    Attributes:
        split: ``val`` or ``test``.
        best: the best value over all epochs; None if the direction is not known or no value is finite.
        last: the last value; None if it is not finite.
        chosen: the value with the chosen checkpoint, the best on val over all tasks. On test, the one value that was measured.
        best_epoch, chosen_epoch: their epochs.
        higher_is_better: None if unknown.
    """

    task: str
    metric: str
    split: str
    best: float | None
    last: float | None
    chosen: float | None
    best_epoch: float | None
    chosen_epoch: float | None
    higher_is_better: bool | None


def write_results(connection: Connection, run_id: str) -> list[Result]:
    """Compute a run's results from its scalars and write them in the caller's transaction. Returns them."""
    found = _from_scalars(connection, run_id)
    table = schema.run_results
    connection.execute(delete(table).where(table.c.run_id == run_id))
    if found:
        connection.execute(insert(table), [{"run_id": run_id, **result.__dict__} for result in found])
    return found


def results_of(database: Database, run_ids: Sequence[str]) -> dict[str, list[Result]]:
    """Results of these runs; an empty list for a run that has none.

    The results of a run that ended without writing them (an older version, a process that was killed) are computed and, where the store can be
    written, kept. Those of a run that still trains are computed and not kept.
    """
    found: dict[str, list[Result]] = {run_id: [] for run_id in run_ids}
    with database.read() as connection:
        for ids in _portions(found):
            table = schema.run_results
            for row in connection.execute(select(table).where(table.c.run_id.in_(ids)).order_by(table.c.task, table.c.metric, table.c.split)):
                found[row.run_id].append(_result_of(row))
        missing = [run_id for run_id, results in found.items() if not results]
        unwritten = {run_id: results for run_id in missing if (results := _from_scalars(connection, run_id))}
    found |= unwritten
    if unwritten and not database.read_only:
        with database.write() as connection:
            runs = schema.runs
            for ids in _portions(unwritten):
                for row in connection.execute(select(runs).where(runs.c.id.in_(ids))).all():
                    status = RunStatus(row.status)
                    if status.is_ended() or (status.is_active() and not is_held(row)):
                        found[row.id] = write_results(connection, row.id)
    return found


def forget_results(connection: Connection, run_id: str) -> None:
    """Delete a run's results: it trains again, and its end will write new ones."""
    connection.execute(delete(schema.run_results).where(schema.run_results.c.run_id == run_id))


def _portions(ids: Iterable[str]) -> list[list[str]]:
    every = list(ids)
    return [every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE)]


def _result_of(row: object) -> Result:
    values = {name: getattr(row, name) for name in _COLUMNS}
    higher = values.pop("higher_is_better")
    return Result(**values, higher_is_better=None if higher is None else bool(higher))


def _from_scalars(connection: Connection, run_id: str) -> list[Result]:
    info = json.loads(connection.execute(select(schema.runs.c.info).where(schema.runs.c.id == run_id)).scalar() or "{}")
    scalars = schema.scalars
    score = (
        select(scalars.c.epoch, scalars.c.value)
        .where(scalars.c.run_id == run_id, scalars.c.key == "selection/score", scalars.c.value.is_not(None))
        .order_by(scalars.c.value.desc(), scalars.c.step)
        .limit(1)
    )
    chosen = connection.execute(score).first()
    at_chosen: dict[str, float | None] = {}
    if chosen is not None:
        rows = select(scalars.c.key, scalars.c.value).where(
            scalars.c.run_id == run_id, scalars.c.key.startswith("val/"), func.abs(scalars.c.epoch - chosen.epoch) < 1e-9
        )
        at_chosen = {row.key: row.value for row in connection.execute(rows.order_by(scalars.c.step))}
    found = []
    for key, entry in summarise(connection, run_id, info, SPLITS).items():
        split, _, rest = key.partition("/")
        task, _, metric = rest.rpartition("/")
        if not task:
            continue
        epoch = None if chosen is None else chosen.epoch
        value = entry["last"] if split == "test" else at_chosen.get(key)
        higher = direction(key, info)[0]
        found.append(Result(task, metric, split, entry["best"], entry["last"], value, entry["best_epoch"], epoch, higher))
    return found
