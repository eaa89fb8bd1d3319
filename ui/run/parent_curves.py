"""Curves of the parent runs up to the fork, and the marks of forks, resumes and live changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mtl_core.analysis.scalar_rows import Table, scalar_rows
from mtl_core.config import task_of
from mtl_core.language import HalfUp, tr
from mtl_core.runs import resume_and_fork
from mtl_core.runs.store import RunStore

ROOM_FOR_WORDS = 0.12  # of the x axis
Changed = tuple[str, float, float]  # setting, its value before, its value after
Placed = tuple[float, list[Changed]]


def past_of(store: RunStore, run: Any) -> pd.DataFrame:
    """Scalars of a fork's parents. Their ``wall_time`` (s) ends with 0 at the fork. Empty for any other run."""
    return counted_back(resume_and_fork.past_of(store, run)) if run.parent else store.scalars(run.id).iloc[:0]


def counted_back(past: pd.DataFrame) -> pd.DataFrame:
    """The rows in the order of their steps. Each parent's clock starts at 0; here they are joined into one that ends with 0."""
    past = past.sort_values("step", kind="stable")
    times = past["wall_time"].to_numpy(dtype=float)
    elapsed = np.cumsum(np.diff(times, prepend=times[:1]).clip(min=0.0))
    return past.assign(wall_time=elapsed - elapsed[-1] if len(elapsed) else elapsed)


def marks_of(run: Any, frame: Table, axis: str) -> list[tuple[float, str]]:
    """(position on the x axis, text) of the fork, the last resume and the live changes.

    Where texts of neighbouring changes would overlap, the first one's text gives the total change.
    """
    marks = []
    if run.parent_step:
        place = {"step": run.parent_step, "epoch": run.parent_epoch, "minutes": 0.0}[axis]
        marks.append((float(place), tr("forked here")))
    if run.resumed_step and run.resumed_step != run.parent_step:
        place = _place_of(frame, run.resumed_step, axis)
        marks += [(place, tr("resumed"))] if place is not None else []
    return marks + _changes(run, frame, axis)


def _changes(run: Any, frame: Table, axis: str) -> list[tuple[float, str]]:
    """Marks of the live changes so far; changes at one step share a mark."""
    steps: dict[int, list[Changed]] = {}
    now = {"lr": run.config.optimizer.lr, **{name: task.loss_weight for name, task in run.config.tasks.items()}}
    for change in run.config.changes:
        if change.step <= run.step:
            name = "lr" if change.key == "optimizer.lr" else task_of(change.key)
            steps.setdefault(change.step, []).append((name, now[name], change.value))
            now[name] = change.value
    placed = [(place, steps[step]) for step in sorted(steps) if (place := _place_of(frame, step, axis)) is not None]
    if len(placed) > 1:
        scalar_rows(frame).ends("step")  # the room for words depends on the step of the run, which goes on with the rows
    room = ROOM_FOR_WORDS * (_place_of(frame, run.step, axis) or 0.0)
    marks: list[tuple[float, str]] = []
    for group in _near_each_other(placed, room):
        marks.append((group[0][0], _words(group)))
        marks += [(place, "") for place in dict.fromkeys(place for place, _ in group[1:]) if place != group[0][0]]
    return marks


def _near_each_other(placed: list[Placed], room: float) -> list[list[Placed]]:
    groups: list[list[Placed]] = []
    for each in placed:
        if groups and each[0] - groups[-1][0][0] < room:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


def _words(group: list[Placed]) -> str:
    """Text such as ``ink 1 → 2.5``, with the first and the last value of each changed setting."""
    ends: dict[str, tuple[float, float]] = {}
    for _, changes in group:
        for name, before, value in changes:
            ends[name] = (ends[name][0] if name in ends else before, value)
    return ", ".join(f"{name} {HalfUp(before):g} → {HalfUp(value):g}" for name, (before, value) in ends.items())


def _place_of(frame: Table, step: int, axis: str) -> float | None:
    """Position of a step on the x axis, as exact as the scalars allow; None where there are none up to the step."""
    if axis == "step":
        return float(step)
    ends = scalar_rows(frame).ends(axis, until=step)
    return ends and ends[1]
