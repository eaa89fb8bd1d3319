"""Conversion of the scalars of a store before version 4, one row for each value, to packed points, and the results that follow from them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable

from sqlalchemy import Connection, text

from mtl_core.runs.sql.result_rows import write_results
from mtl_core.runs.sql.scalar_points import Point, write_points
from mtl_core.runs.sql.scalar_summary import summary_of

REPORT_SECONDS = 2.0
MOST = 20_000  # points in one statement; a long run has more
_VALUES = text("SELECT key, step, epoch, value, wall_time FROM scalars WHERE run_id = :run ORDER BY row")


def convert_scalars(connection: Connection, report: Callable[[float], None]) -> None:
    """Write the points and results of every run from the table ``scalars``, which stays.

    Args:
        report: called with the share of the runs that are done, every few seconds.
    """
    runs = connection.execute(text("SELECT number, id, info FROM runs ORDER BY number")).all()
    reported = time.monotonic()
    for place, run in enumerate(runs):
        points = _points_of(tuple(row) for row in connection.execute(_VALUES, {"run": run.id}))
        for start in range(0, len(points), MOST):
            write_points(connection, run.number, points[start : start + MOST])
        write_results(connection, run.number, summary_of(points), json.loads(run.info or "{}"), has_means=False)
        if time.monotonic() - reported > REPORT_SECONDS:
            report(place / len(runs))
            reported = time.monotonic()


def _points_of(rows: Iterable[tuple[str, int, float, float | None, float]]) -> list[Point]:
    """The values that were recorded together as one point each, in the order of their first rows."""
    together: dict[tuple[int, float, float], dict[str, float]] = {}
    for key, step, epoch, value, wall_time in rows:
        together.setdefault((step, epoch, wall_time), {})[key] = math.nan if value is None else value
    return [Point(*moment, tuple(values), tuple(values.values())) for moment, values in together.items()]
