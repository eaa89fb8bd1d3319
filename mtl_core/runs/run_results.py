"""Results per run: what studies, races and lists read. They are written with the scalars, so that nobody scans curves (``sql.result_rows``)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import Database
from mtl_core.runs.sql.result_rows import lines_of, portions

SPLITS = ("val", "test")
_COLUMNS = ("best", "last", "chosen", "best_epoch", "chosen_epoch")


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


def results_of(database: Database, run_ids: Sequence[str]) -> dict[str, list[Result]]:
    """Results of these runs on val and test, sorted by task, metric and split; an empty list for a run that has none."""
    found: dict[str, list[Result]] = {run_id: [] for run_id in run_ids}
    with database.read() as connection:
        for ids in portions(found):
            for row in connection.execute(lines_of(ids)):
                split, _, rest = row.name.partition("/")
                task, _, metric = rest.rpartition("/")
                if task and split in SPLITS:
                    higher = None if row.higher_is_better is None else bool(row.higher_is_better)
                    found[row.id].append(Result(task, metric, split, **{name: getattr(row, name) for name in _COLUMNS}, higher_is_better=higher))
    for results in found.values():
        results.sort(key=lambda each: (each.task, each.metric, each.split))
    return found


def means_of(database: Database, run_ids: Sequence[str], keys: Collection[str]) -> dict[str, dict[str, tuple[float, int]]]:
    """Run id -> key -> (mean over the run, number of its finite values), of keys of affinities and conflict.

    A key is left out in a run that has no finite value of it, and in runs that were recorded before means were.
    """
    found: dict[str, dict[str, tuple[float, int]]] = {run_id: {} for run_id in run_ids}
    with database.read() as connection:
        for ids in portions(found):
            wanted = lines_of(ids).where(schema.scalar_keys.c.key.in_(keys), schema.run_results.c.mean.is_not(None))
            for row in connection.execute(wanted):
                found[row.id][row.name] = (row.mean, row.points)
    return found
