"""Regret of each task: the difference between its best epoch and the epoch of the one checkpoint for all tasks. From scalars; no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

SCORE = "selection/score"  # of an epoch: below 0 if a task is below its floor


@dataclass(frozen=True)
class Regret:
    """The regret of one task in its main metric on val.

    Attributes:
        best_epoch, best: epoch (the first of equals) and value of the best result.
        chosen: value at the chosen epoch; NaN if it is not defined there.
        cost: difference between the best and the chosen value, in the metric's unit, never negative.
        share: ``cost`` in % of the absolute best value; NaN if that is 0.
        epochs, values: float (E,), the curve.
    """

    task: str
    metric: dict[str, Any]
    best_epoch: int
    best: float
    chosen: float
    cost: float
    share: float
    epochs: np.ndarray
    values: np.ndarray


def course(frame: pd.DataFrame, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs and values of a key that is written once per epoch. Of an epoch that was written twice, the last value counts."""
    rows = frame[(frame["key"] == key) & frame["value"].notna()].drop_duplicates("step", keep="last").sort_values("step")
    return rows["epoch"].to_numpy(dtype=float), rows["value"].to_numpy(dtype=float)


def chosen_epoch(frame: pd.DataFrame) -> int | None:
    """The epoch of the best checkpoint: the first with the highest score. None before the first epoch ends."""
    epochs, scores = course(frame, SCORE)
    return int(epochs[scores.argmax()]) if len(scores) else None


def regrets(frame: pd.DataFrame, tasks: dict[str, Any], epoch: int | None = None) -> list[Regret]:
    """A row for each task that was measured on val.

    Args:
        frame: a run's scalars. tasks: ``info["tasks"]`` of the run.
        epoch: of the chosen checkpoint; by default the one that the run chose.
    """
    chosen, found = chosen_epoch(frame) if epoch is None else epoch, []
    for name, info in tasks.items():
        metric = info["metrics"][info["main_metric"]]
        epochs, values = course(frame, f"val/{name}/{info['main_metric']}")
        if not len(values) or chosen is None:
            continue
        place = int(values.argmax() if metric["higher_is_better"] else values.argmin())
        there = values[epochs == chosen]
        value = float(there[-1]) if len(there) else float("nan")
        cost = abs(float(values[place]) - value)
        share = 100 * cost / abs(values[place]) if values[place] else float("nan")
        found.append(Regret(name, metric, int(epochs[place]), float(values[place]), value, cost, float(share), epochs, values))
    return found
