"""Scalars of runs in the store: the values that were recorded together are one row, packed, with the set of their keys.

A run of 744 steps writes 14,000 values. A row for each of them, with its indexes, took about 190 bytes; packed, a value takes about 13.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, delete, insert, select, update

from mtl_core.runs.sql import schema
from mtl_core.runs.sql.advisory_locks import lock_keys

if TYPE_CHECKING:
    import pandas

AT_ONCE = 500  # numbers in one query; SQLite allows 32,766 variables
_points, _sets = schema.points, schema.key_sets


@dataclass(frozen=True)
class Point:
    """Values recorded together.

    Attributes:
        wall_time: seconds since the run's start.
        values: (n,), in the order of the ``keys``; NaN where not known.
    """

    step: int
    epoch: float
    wall_time: float
    keys: tuple[str, ...]
    values: tuple[float, ...]

    def packed(self) -> bytes:
        """The values as little-endian float64."""
        return np.asarray(self.values, "<f8").tobytes()

    def without(self, keys: Iterable[str]) -> Point:
        """The point without these keys."""
        gone = set(keys)
        kept = [(key, value) for key, value in zip(self.keys, self.values, strict=True) if key not in gone]
        return Point(self.step, self.epoch, self.wall_time, tuple(key for key, _ in kept), tuple(value for _, value in kept))


def write_points(connection: Connection, run: int, points: Sequence[Point]) -> bool:
    """Add points to a run. A value replaces an earlier one of the same key and step, because a resumed run repeats steps.

    Args:
        run: the run's number.

    Returns:
        Whether a stored value was replaced.
    """
    new, replaced = _latest(points), False
    if not new:
        return False
    by_step: dict[int, set[str]] = {}
    for point in new:
        by_step.setdefault(point.step, set()).update(point.keys)
    between = (_points.c.run == run, _points.c.step.between(min(by_step), max(by_step)))
    for row, old in read_points(connection, *between):
        gone = by_step.get(old.step, set()).intersection(old.keys)
        if gone:
            replaced = True
            _rewrite(connection, run, row, old.without(gone))
    runs = schema.runs
    first = connection.execute(select(runs.c.last_row).where(runs.c.number == run)).scalar_one() + 1
    connection.execute(update(runs).where(runs.c.number == run).values(last_row=first + len(new) - 1))
    numbers = {keys: _number_of_set(connection, keys) for keys in {point.keys for point in new}}
    columns = [
        {
            "run": run,
            "row": row,
            "step": each.step,
            "epoch": each.epoch,
            "wall_time": each.wall_time,
            "key_set": numbers[each.keys],
            "packed": each.packed(),
        }
        for row, each in enumerate(new, first)
    ]
    connection.execute(insert(_points), columns)
    return replaced


def read_points(connection: Connection, *conditions: Any) -> list[tuple[int, Point]]:
    """(row, point) for the rows of ``points`` that match, in the order in which they were written."""
    rows = connection.execute(select(_points).where(*conditions).order_by(_points.c.run, _points.c.row)).all()
    keys = _keys_of_sets(connection, {row.key_set for row in rows})
    return [(row.row, Point(row.step, row.epoch, row.wall_time, keys[row.key_set], unpacked(row.packed))) for row in rows]


def forget_keys(connection: Connection, run: int, prefix: str) -> None:
    """Delete a run's values of keys that begin with ``prefix``."""
    for row, point in read_points(
        connection, _points.c.run == run, _points.c.key_set.in_(_sets_with(connection, lambda key: key.startswith(prefix)))
    ):
        _rewrite(connection, run, row, point.without(key for key in point.keys if key.startswith(prefix)))


def values_of(connection: Connection, run_id: str, wanted: Callable[[str], bool]) -> list[tuple[str, int, float, float]]:
    """(key, step, epoch, value) of a run's keys that are wanted, in the order in which they were written. Other keys are not read."""
    found = read_points(connection, _points.c.run == number_of(run_id), _points.c.key_set.in_(_sets_with(connection, wanted)))
    return [(key, point.step, point.epoch, value) for _, point in found for key, value in zip(point.keys, point.values, strict=True) if wanted(key)]


def frame_of(connection: Connection, run_id: str, after: int) -> pandas.DataFrame:
    """A run's values in rows after ``after``: columns row, step, epoch, key, value, wall_time."""
    import pandas

    columns = (_points.c.row, _points.c.step, _points.c.epoch, _points.c.wall_time, _points.c.key_set, _points.c.packed)
    wanted = (_points.c.run == number_of(run_id), _points.c.row > after)
    rows = [tuple(row) for row in connection.execute(select(*columns).where(*wanted).order_by(_points.c.row))]
    keys = _keys_of_sets(connection, {row[4] for row in rows})
    counts = [len(keys[row[4]]) for row in rows]
    row, step, epoch, wall_time = (np.repeat(np.asarray([each[place] for each in rows], kind), counts) for place, kind in enumerate(_KINDS))
    texts = pandas.array([key for each in rows for key in keys[each[4]]], dtype="str")  # to cast the frame's column takes longer than all else
    values = np.frombuffer(b"".join(each[5] for each in rows), "<f8")
    return pandas.DataFrame({"row": row, "step": step, "epoch": epoch, "key": texts, "value": values, "wall_time": wall_time})


_KINDS = ("int64", "int64", "float64", "float64")  # of row, step, epoch and wall_time


def number_of(run_id: str) -> Any:
    """The number of a run, for a condition."""
    return select(schema.runs.c.number).where(schema.runs.c.id == run_id).scalar_subquery()


def key_numbers(connection: Connection, keys: Iterable[str]) -> dict[str, int]:
    """The number of each key; a key that is not known yet gets one."""
    wanted = list(dict.fromkeys(keys))
    found = _known_numbers(connection, wanted)
    missing = [key for key in wanted if key not in found]
    if missing:
        lock_keys(connection)  # a run that begins at the same moment may have given them numbers meanwhile
        given = _known_numbers(connection, missing)
        if new := [{"key": key} for key in missing if key not in given]:
            connection.execute(insert(schema.scalar_keys), new)
        found |= _known_numbers(connection, missing)
    return found


def _known_numbers(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    table, found = schema.scalar_keys, {}
    for start in range(0, len(keys), AT_ONCE):
        rows = connection.execute(select(table.c.key, table.c.number).where(table.c.key.in_(keys[start : start + AT_ONCE])))
        found.update((row[0], row[1]) for row in rows)
    return found


def _latest(points: Sequence[Point]) -> list[Point]:
    """The points without the values that a later one of the same step replaces."""
    found: list[Point] = []
    seen: dict[int, set[str]] = {}
    for point in reversed(points):
        known = seen.setdefault(point.step, set())
        if kept := point.without(known.intersection(point.keys)) if known else point:
            known.update(point.keys)
            if kept.keys:
                found.append(kept)
    return found[::-1]


def _rewrite(connection: Connection, run: int, row: int, point: Point) -> None:
    one = (_points.c.run == run, _points.c.row == row)
    if point.keys:
        connection.execute(update(_points).where(*one).values(key_set=_number_of_set(connection, point.keys), packed=point.packed()))
    else:
        connection.execute(delete(_points).where(*one))


def _number_of_set(connection: Connection, keys: Sequence[str]) -> int:
    text = json.dumps(list(keys), ensure_ascii=False)
    digest = schema.digest_of(text)
    number = connection.execute(select(_sets.c.number).where(_sets.c.digest == digest)).scalar()
    if number is None:
        lock_keys(connection)  # see ``key_numbers``
        number = connection.execute(select(_sets.c.number).where(_sets.c.digest == digest)).scalar()
    if number is None:
        number = connection.execute(insert(_sets).values(digest=digest, scalar_keys=text)).inserted_primary_key[0]  # type: ignore[index]  # there is one row
    return number


def _keys_of_sets(connection: Connection, numbers: Iterable[int]) -> dict[int, tuple[str, ...]]:
    wanted, found = list(numbers), {}
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        for row in connection.execute(select(_sets.c.number, _sets.c.scalar_keys).where(_sets.c.number.in_(some))):
            found[row[0]] = tuple(json.loads(row[1]))
    return found


def _sets_with(connection: Connection, wanted: Callable[[str], bool]) -> list[int]:
    every = connection.execute(select(_sets.c.number, _sets.c.scalar_keys)).all()
    return [number for number, keys in every if any(wanted(key) for key in json.loads(keys))]


def unpacked(packed: bytes) -> tuple[float, ...]:
    """The values of ``Point.packed``."""
    return tuple(np.frombuffer(packed, "<f8").tolist())
