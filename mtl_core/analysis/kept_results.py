"""Results that were made of a run's scalars, kept until a row that they were made of changes.

A live run writes rows of all keys, a chart shows a few. So a result notes what it asked the rows, and it is made anew when an answer differs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd

from mtl_core.analysis.scalar_rows import ScalarRows, Table, scalar_rows

T = TypeVar("T")


class WatchedRows(ScalarRows):
    """Rows that note what they are asked.

    Attributes:
        asked: a method of ``ScalarRows`` or a function of it, with its further arguments -> what it gave.
    """

    def __init__(self, rows: ScalarRows):
        self._rows = rows
        self.asked: dict[tuple[Any, ...], Any] = {}

    def _noted(self, question: Callable[..., Any], *about: Any) -> Any:
        answer = self.asked[question, *about] = question(self._rows, *about)
        return answer

    def __len__(self) -> int:
        return self._noted(ScalarRows.__len__)

    @property
    def frame(self) -> pd.DataFrame:
        self._noted(ScalarRows.__len__)  # it may be read in any way
        return self._rows.frame

    @property
    def keys(self) -> tuple[str, ...]:
        return self._noted(_keys)

    def count(self, key: str) -> int:
        return self._noted(ScalarRows.count, key)

    def of(self, key: str) -> dict[str, np.ndarray]:
        self._noted(ScalarRows.count, key)
        return self._rows.of(key)

    def ends(self, axis: str, until: float | None = None) -> tuple[float, float] | None:
        return self._noted(ScalarRows.ends, axis, until)

    def ask(self, question: Callable[..., T], *about: Hashable) -> T:
        return self._noted(ScalarRows.ask, question, *about)

    def with_newer(self, newer: pd.DataFrame) -> ScalarRows:
        return self._rows.with_newer(newer)


def _keys(rows: ScalarRows) -> tuple[str, ...]:
    return rows.keys


@dataclass(frozen=True)
class Kept(Generic[T]):
    """A result, and what it asked the rows that it was made of."""

    result: T
    asked: dict[tuple[Any, ...], Any]

    def holds_for(self, table: Table) -> bool:
        """Whether it would be the same, made of these rows: of the same run, later or earlier."""
        rows = scalar_rows(table)
        return all(question(rows, *about) == answer for (question, *about), answer in self.asked.items())


def made_of(table: Table, make: Callable[[ScalarRows], T]) -> Kept[T]:
    """Make a result of a run's rows."""
    rows = WatchedRows(scalar_rows(table))
    return Kept(make(rows), rows.asked)


class Remade(Generic[T]):
    """What a function makes of one run's rows as they grow, made anew where it may differ."""

    def __init__(self, make: Callable[[ScalarRows], T]):
        self._make = make
        self._kept: Kept[T] | None = None

    def __call__(self, table: Table) -> T:
        kept = self._kept
        if kept is None or not kept.holds_for(table):
            kept = self._kept = made_of(table, self._make)
        return kept.result
