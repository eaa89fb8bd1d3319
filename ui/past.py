"""What was before a run's own curves: its parents' values up to the fork, and where it was forked, resumed or changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mtl_core.runs import lineage
from mtl_core.runs.store import RunStore


def past_of(store: RunStore, run: Any) -> pd.DataFrame:
    """Scalars of a fork's parents, with ``wall_time`` counted back from the fork: the last one is at 0. Empty for any other run."""
    return counted_back(lineage.past_of(store, run)) if run.parent else store.scalars(run.id).iloc[:0]


def counted_back(past: pd.DataFrame) -> pd.DataFrame:
    """The same rows, in the order of their steps; each generation's clock begins at 0, here they follow each other."""
    past = past.sort_values("step", kind="stable")
    times = past["wall_time"].to_numpy(dtype=float)
    elapsed = np.cumsum(np.diff(times, prepend=times[:1]).clip(min=0.0))
    return past.assign(wall_time=elapsed - elapsed[-1] if len(elapsed) else elapsed)


def marks_of(run: Any, frame: pd.DataFrame, axis: str) -> list[tuple[float, str]]:
    """(place on the x axis, words): where the run was forked, and where it was last resumed, and what was changed while it trained."""
    marks = []
    if run.parent_step:
        place = {"step": run.parent_step, "epoch": run.parent_epoch, "minutes": 0.0}[axis]
        marks.append((float(place), "forked here"))
    if run.resumed_step and run.resumed_step != run.parent_step:
        place = _place_of(frame, run.resumed_step, axis)
        marks += [(place, "resumed")] if place is not None else []
    for step, words in _changes(run):
        place = _place_of(frame, step, axis)
        marks += [(place, words)] if place is not None else []
    return marks


def _changes(run: Any) -> list[tuple[int, str]]:
    """(step, words) of what was changed while it trained, up to where the run is; changes at one step share a mark."""
    words: dict[int, list[str]] = {}
    for change in run.config.changes:
        if change.step <= run.step:
            name = "lr" if change.key == "optimizer.lr" else change.key.split(".")[1]
            words.setdefault(change.step, []).append(f"{name} {change.value:g}")
    return [(step, ", ".join(parts)) for step, parts in words.items()]


def _place_of(frame: pd.DataFrame, step: int, axis: str) -> float | None:
    """Where a step lies on the x axis, as near as the scalars know; None where nothing was measured up to it."""
    if axis == "step":
        return float(step)
    before = frame[frame["step"] <= step]
    if before.empty:
        return None
    return float(before["epoch"].max()) if axis == "epoch" else float(before["wall_time"].max()) / 60
