"""The rows of a run's scalars by their key. A live page draws dozens of curves from one table at every refresh, so the table is divided once for all,
and newer rows are added to what is divided already: a refresh costs what the new rows cost.

The columns are NumPy arrays: pandas takes longer to give a few hundred rows of a table than a curve takes to be made of them.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mtl_core.figures.curves import positions

T = TypeVar("T")
COLUMNS = ("step", "epoch", "value", "wall_time")
MOST_WAITING = 32  # additions that wait until what they are added to is asked for
KEPT_ENDS = 64  # answers of ``ScalarRows.ends`` that are brought up to date with each addition
_divided: dict[int, tuple[weakref.ref[pd.DataFrame], ScalarRows]] = {}


class ScalarRows:
    """A table of ``RunStore.scalars``, divided by its keys. It does not change: ``with_newer`` gives another one, and both share their memory."""

    def __init__(self, frame: pd.DataFrame):
        self._parts = [frame]
        self._names = [name for name in COLUMNS if name in frame]
        self._none = {name: frame[name].to_numpy()[:0] for name in self._names}
        self._columns: dict[str, _Columns] = {}
        self._counts: dict[str, int] = {}
        self._found: dict[str, dict[str, np.ndarray]] = {}
        self._ends: dict[tuple[str, float | None], tuple[float, float] | None] = {}
        self._answers: dict[tuple[Any, ...], Any] = {}
        self._add(frame)

    def with_newer(self, newer: pd.DataFrame) -> ScalarRows:
        """These rows and then newer ones. The columns of a key grow in place, behind the rows that this table knows of.

        One thread at a time may call it.
        """
        later = copy.copy(self)
        later._parts = [*self._parts, newer]
        if len(later._parts) > MOST_WAITING:
            later._parts = [later.frame]
        later._answers = {}
        later._columns, later._counts, later._found = dict(self._columns), dict(self._counts), dict(self._found)
        kept = list(self._ends.items())[-KEPT_ENDS:]
        later._ends = {asked: _joined(known, _ends_of(newer, *asked)) for asked, known in kept}
        later._add(newer)
        return later

    def _add(self, frame: pd.DataFrame) -> None:
        codes, keys = pd.factorize(frame["key"])
        order = np.argsort(codes, kind="stable")
        arrays = {name: frame[name].to_numpy()[order] for name in self._names}
        ends = np.cumsum(np.bincount(codes, minlength=len(keys))).tolist()
        for key, begin, end in zip(map(str, keys), [0, *ends], ends, strict=False):
            known = self._counts.get(key, 0)
            columns = self._columns.get(key)
            if columns is None:
                columns = self._columns[key] = _Columns(dict(self._none))
            elif columns.length != known:  # another table has grown from the same rows
                columns = self._columns[key] = _Columns({name: array[:known] for name, array in columns.arrays().items()})
            columns.add(arrays, begin, end)
            self._counts[key] = columns.length
            self._found.pop(key, None)

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def frame(self) -> pd.DataFrame:
        """All rows as one table, in the order of writing. It takes milliseconds to join it, so nothing that every refresh makes needs it."""
        if len(self._parts) > 1:
            self._parts = [pd.concat(self._parts, ignore_index=True)]
        return self._parts[0]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that have rows, in the order of their first ones."""
        return tuple(self._counts)

    def count(self, key: str) -> int:
        """How many rows a key has. A longer table of the same run has other rows of the key only if it has another number of them."""
        return self._counts.get(key, 0)

    def of(self, key: str) -> dict[str, np.ndarray]:
        """The rows of one key by column, the newest of each step. The arrays are not to be changed."""
        count = self.count(key)
        if not count:
            return dict(self._none)
        found = self._found.get(key)
        if found is None:
            columns = {name: array[:count] for name, array in self._columns[key].arrays().items()}
            newest = _newest(columns["step"])
            found = self._found[key] = {name: values[newest] for name, values in columns.items()}
        return found

    def ends(self, axis: str, until: float | None = None) -> tuple[float, float] | None:
        """The lowest and the highest position of all rows on an x axis, see ``positions``; None without one.

        Args:
            until: the last step whose rows count; None for all.
        """
        if (axis, until) not in self._ends:
            found = None
            for part in self._parts:
                found = _joined(found, _ends_of(part, axis, until))
            self._ends[axis, until] = found
        return self._ends[axis, until]

    def ask(self, question: Callable[..., T], *about: Hashable) -> T:
        """What a question says of these rows, found once. What is kept then depends on the answer alone (``kept_results.py``).

        Args:
            about: further arguments of the question.
        """
        if (question, *about) not in self._answers:
            self._answers[question, *about] = question(self, *about)
        return self._answers[question, *about]


Table = pd.DataFrame | ScalarRows


class _Columns:
    """Columns of one key, with room at their end. Most keys of a run are not on the screen, so rows wait until somebody asks for the arrays.

    Attributes:
        length: number of rows, those that wait included.
    """

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._arrays = {name: array.copy() for name, array in arrays.items()}
        self._filled = self.length = len(next(iter(arrays.values()), ()))
        self._waiting: list[tuple[dict[str, np.ndarray], int, int]] = []
        self._lock = threading.Lock()

    def add(self, arrays: dict[str, np.ndarray], begin: int, end: int) -> None:
        """Add the rows of these arrays from ``begin`` to ``end`` behind the others."""
        with self._lock:  # a page may ask for the arrays at this moment
            self._waiting.append((arrays, begin, end))
            self.length += end - begin
        if len(self._waiting) > MOST_WAITING:
            self.arrays()

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns, of at least ``length`` rows. Rows that are there do not change afterwards."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            if waiting:
                length = self._filled + sum(end - begin for _, begin, end in waiting)
                self._arrays = {name: self._extended(name, waiting, length) for name in self._arrays}
                self._filled = length
            return self._arrays

    def _extended(self, name: str, waiting: list[tuple[dict[str, np.ndarray], int, int]], length: int) -> np.ndarray:
        array, new = self._arrays[name], [arrays[name][begin:end] for arrays, begin, end in waiting]
        kind = np.result_type(*new, *([array] if self._filled else []))
        if length > len(array) or kind != array.dtype:
            longer = np.empty(max(length, 3 * self._filled // 2), kind)
            longer[: self._filled] = array[: self._filled]
            array = longer
        array[self._filled : length] = np.concatenate(new)
        return array


def scalar_rows(table: Table) -> ScalarRows:
    """The rows of a table, which must not be changed afterwards."""
    if not isinstance(table, pd.DataFrame):  # not by ScalarRows: a saved source file is imported anew, and rows that are kept are of the class before
        return table
    key = id(table)
    known = _divided.get(key)
    if known is None or known[0]() is not table:
        # Of a copy that shares the table's values: what is kept must not keep the table itself.
        gone = weakref.ref(table, lambda _: _divided.pop(key, None))
        known = _divided[key] = (gone, ScalarRows(table.copy(deep=False)))
    return known[1]


def _newest(steps: np.ndarray) -> np.ndarray | slice:
    """Places of the last row of each step, in order: a repeated step replaces its earlier row."""
    if (steps[1:] > steps[:-1]).all():
        return slice(None)
    _, from_the_end = np.unique(steps[::-1], return_index=True)
    return np.sort(len(steps) - 1 - from_the_end)


def _ends_of(part: pd.DataFrame, axis: str, until: float | None) -> tuple[float, float] | None:
    columns: dict[str, Any] = {name: part[name].to_numpy() for name in COLUMNS if name in part}
    if until is not None:
        columns = {name: values[columns["step"] <= until] for name, values in columns.items()}
    found = positions(columns, axis)
    found = found[np.isfinite(found)]
    return (float(found.min()), float(found.max())) if len(found) else None


def _joined(one: tuple[float, float] | None, other: tuple[float, float] | None) -> tuple[float, float] | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])
