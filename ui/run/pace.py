"""Detection of a slow run: its speed in the last seconds against its own best, from the recorded scalars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mtl_core.language import tr
from ui.drawing.scalar_rows import scalar_rows

RECENT = 10.0  # seconds of training steps that count as the last ones
STRETCH = 2.0  # seconds of training steps per measured speed; shorter stretches are noise
STRETCHES = 3  # stretches needed for a usual speed
SLOW = 0.5  # of the best speed


def slower_than_usual(run: Any, frame: pd.DataFrame | None) -> str:
    """A sentence where the speed of the last seconds is below half of the run's best speed; empty otherwise, and while no steps are trained.

    Only training steps count. Intervals with an epoch's end, a pause or a restart between two recorded rows are left out, and so are epochs that
    train other tasks than the current one.

    Args:
        frame: its scalars, see ``RunStore.scalars``.
    """
    if str(run.status) != "running" or run.training_started_at is None or run.started_at is None or frame is None or not len(frame):
        return ""
    rows = pd.DataFrame(scalar_rows(frame).of("optimizer/lr")).sort_values("step")
    if len(rows) < 2 or rows["step"].iloc[-1] != frame["step"].max() or _are_whole(rows["epoch"])[-1]:
        return ""  # the run validates now
    measured = _measured(rows, run)
    if not len(measured):
        return ""
    seconds, steps = measured["seconds"], measured["steps"]
    recent = seconds[::-1].cumsum()[::-1] <= RECENT
    recent.iloc[-1] = True  # however long it took
    before = measured[~recent]
    stretch = (before["seconds"].cumsum() - before["seconds"]) // STRETCH
    sums = before.groupby(stretch)[["steps", "seconds"]].sum()
    sums = sums[sums["seconds"] >= STRETCH]
    if len(sums) < STRETCHES or seconds[recent].sum() < STRETCH:
        return ""
    best, now = (sums["steps"] / sums["seconds"]).max(), steps[recent].sum() / seconds[recent].sum()
    if now >= SLOW * best:
        return ""
    return tr(
        "Slower than usual: {now:.3g} steps/s in the last seconds, {best:.3g} at best. The machine may be busy; results do not change.",
        now=now,
        best=best,
    )


def _measured(rows: pd.DataFrame, run: Any) -> pd.DataFrame:
    """Steps and seconds between neighbouring rows that have only steps of the currently trained tasks between them."""
    begun = run.training_started_at - (run.started_at - run.seconds_before)  # last start, or end of a pause, on the clock of wall_time
    pairs = pd.DataFrame({"steps": rows["step"].diff(), "seconds": rows["wall_time"].diff(), "at": rows["wall_time"], "epoch": rows["epoch"]})
    across = _are_whole(rows["epoch"].shift()) | (rows["wall_time"].shift() < begun)
    epochs = (rows["epoch"] - 1e-6).astype(int) + 1
    trained = {epoch: tuple(run.config.trains(epoch)) for epoch in epochs.unique().tolist()}
    alike = [epoch for epoch, tasks in trained.items() if tasks == trained[int(epochs.iloc[-1])]]
    return pairs[~across & (pairs["seconds"] > 0) & epochs.isin(alike)].dropna()


def _are_whole(epochs: pd.Series) -> np.ndarray:
    """Which of these are whole numbers; so is a missing one."""
    numbers = epochs.to_numpy(dtype=float)
    return np.isnan(numbers) | (np.abs(numbers - np.round(numbers)) < 1e-6)
