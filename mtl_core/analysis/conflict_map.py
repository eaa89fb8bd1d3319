"""Where in the network two tasks are in conflict: each pair's cosines in each place, over the whole run so far."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from mtl_core.analysis.conflict_summary import WHOLE, share_interval
from mtl_core.analysis.scalar_rows import Table, scalar_rows
from mtl_core.language import tr
from mtl_core.scalar_words import share_in_words


def conflict_map(frame: Table, tasks: list[str], places: dict[str, list[str]]) -> pd.DataFrame:
    """A row for each pair of tasks and place in which it was measured.

    Args:
        frame: the run's scalars. tasks: in order.
        places: place -> its blocks (``regions``), such as early, middle, late. A point of a place is the mean over its blocks at a step.

    Returns:
        Columns ``one``, ``other``, ``place``; ``cosine``, the mean; ``share`` of the recorded points below 0, with its 95 % interval ``low`` and
        ``high`` (points taken as independent); ``points``.
    """
    rows = scalar_rows(frame)
    of_keys = {key: rows.of(key) for key in rows.keys if key.startswith("conflict/")}
    cosines = pd.DataFrame({key: pd.Series(of_key["value"], of_key["step"]) for key, of_key in of_keys.items()}).sort_index()
    found = []
    for one, other in combinations(tasks, 2):
        for place, blocks in places.items():
            keys = [f"conflict/{one}/{other}" + ("" if block == WHOLE else f"/{block}") for block in blocks]
            values = cosines[[key for key in keys if key in cosines]].mean(axis=1).dropna().to_numpy(dtype=float)
            if len(values):
                share = float((values < 0).mean())
                low, high = share_interval(share, len(values))
                about = {"cosine": values.mean(), "share": share, "low": low, "high": high, "points": len(values)}
                found.append({"one": one, "other": other, "place": place, **about})
    return pd.DataFrame(found, columns=["one", "other", "place", "cosine", "share", "low", "high", "points"])


def most_in_conflict(table: pd.DataFrame) -> str:
    """A sentence on the pair and place with the largest share below 0 of those whose whole interval lies above one half; without any, that."""
    clear = table[table["low"] > 0.5]
    if table.empty:
        return ""
    if clear.empty:
        return tr(
            "In no place is any pair of tasks clearly in conflict, which means below 0 in most measurements with the whole interval above one half."
        )
    worst = clear.iloc[int(clear["share"].argmax())]
    return tr(
        "{one} and {other} are in conflict most often in {place}: below 0 in {share} of {points} recorded points (95 % interval {low:.0%} to "
        "{high:.0%}, points taken as independent).",
        **{name: worst[name] for name in ("one", "other", "points", "low", "high")},
        share=share_in_words(worst["share"]),
        place=tr(worst["place"]),
    )


def as_matrix(table: pd.DataFrame, column: str) -> tuple[np.ndarray, list[str], list[str]]:
    """Values (pairs, places) of a column, NaN where a pair was not measured; the names of rows and columns, in order."""
    pairs = [tr("{one} and {other}", one=one, other=other) for one, other in zip(table["one"], table["other"], strict=True)]
    rows, columns = list(dict.fromkeys(pairs)), list(dict.fromkeys(table["place"]))
    values = np.full((len(rows), len(columns)), np.nan)
    for pair, place, value in zip(pairs, table["place"], table[column], strict=True):
        values[rows.index(pair), columns.index(place)] = value
    return values, rows, columns
