"""The rows of a run's scalars by their key. A live page draws dozens of curves from one table at every refresh, so the table is divided once for all.

The columns are NumPy arrays: pandas takes longer to give a few hundred rows of a table than a curve takes to be made of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping

import numpy as np
import pandas as pd

from mtl_core.figures.curves import positions

COLUMNS = ("step", "epoch", "value", "wall_time")
KEPT_TABLES = 64  # that are known by key
NONE_AT_ALL = np.zeros(0, dtype=np.intp)
_divided: dict[int, tuple[weakref.ref[pd.DataFrame], ScalarRows]] = {}


class ScalarRows:
    """A table of ``RunStore.scalars``, divided by its keys.

    Attributes:
        places: key -> places of its rows in the table.
    """

    def __init__(self, frame: pd.DataFrame):
        self._columns = {name: frame[name].to_numpy() for name in COLUMNS if name in frame}
        self.places: Mapping[str, np.ndarray] = {str(key): np.asarray(at) for key, at in frame.groupby("key", sort=False).indices.items()}
        self._ends: dict[str, tuple[float, float] | None] = {}

    def of(self, key: str) -> dict[str, np.ndarray]:
        """The rows of one key by column, the newest of each step."""
        places = self.places.get(key, NONE_AT_ALL)
        places = places[_newest(self._columns["step"][places])]
        return {name: values[places] for name, values in self._columns.items()}

    def ends(self, axis: str) -> tuple[float, float] | None:
        """The lowest and the highest position of all rows on an x axis, see ``positions``; None without one."""
        if axis not in self._ends:
            found = positions(self._columns, axis)
            found = found[np.isfinite(found)]
            self._ends[axis] = (float(found.min()), float(found.max())) if len(found) else None
        return self._ends[axis]


def scalar_rows(frame: pd.DataFrame) -> ScalarRows:
    """The rows of a table, which must not be changed afterwards."""
    known = _divided.get(id(frame))
    if known is None or known[0]() is not frame:
        if len(_divided) >= KEPT_TABLES:
            _divided.clear()
        known = _divided[id(frame)] = (weakref.ref(frame), ScalarRows(frame))
    return known[1]


def _newest(steps: np.ndarray) -> np.ndarray | slice:
    """Places of the last row of each step, in order: a repeated step replaces its earlier row."""
    if (steps[1:] > steps[:-1]).all():
        return slice(None)
    _, from_the_end = np.unique(steps[::-1], return_index=True)
    return np.sort(len(steps) - 1 - from_the_end)
