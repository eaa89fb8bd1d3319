"""Detection of a slow run: its speed in the last seconds against its own best, from the recorded scalars."""

from __future__ import annotations

from typing import Any

import numpy as np

from mtl_core.analysis.scalar_rows import Table, scalar_rows
from mtl_core.language import tr

RECENT = 10.0  # seconds of training steps that count as the last ones
STRETCH = 2.0  # seconds of training steps per measured speed; shorter stretches are noise
STRETCHES = 3  # stretches needed for a usual speed
SLOW = 0.5  # of the best speed


def slower_than_usual(run: Any, frame: Table | None) -> str:
    """A sentence where the speed of the last seconds is below half of the run's best speed; empty otherwise, and while no steps are trained.

    Only training steps count. Intervals with an epoch's end, a pause or a restart between two recorded rows are left out, and so are epochs that
    train other tasks than the current one.

    Args:
        frame: its scalars, see ``RunStore.scalars``.
    """
    if str(run.status) != "running" or run.training_started_at is None or run.started_at is None or frame is None or not len(frame):
        return ""
    table = scalar_rows(frame)
    rows, ends = table.of("optimizer/lr"), table.ends("step")
    order = np.argsort(rows["step"], kind="stable")
    rows = {name: values[order].astype(float) for name, values in rows.items()}
    if len(order) < 2 or ends is None or rows["step"][-1] != ends[1] or _are_whole(rows["epoch"])[-1]:
        return ""  # the run validates now
    steps, seconds = _measured(rows, run)
    if not len(seconds):
        return ""
    recent = np.cumsum(seconds[::-1])[::-1] <= RECENT
    recent[-1] = True  # however long it took
    stretch = ((np.cumsum(seconds[~recent]) - seconds[~recent]) // STRETCH).astype(int)
    sums = [np.bincount(stretch, each[~recent]) for each in (steps, seconds)]
    lasting = sums[1] >= STRETCH
    if lasting.sum() < STRETCHES or seconds[recent].sum() < STRETCH:
        return ""
    best, now = (sums[0][lasting] / sums[1][lasting]).max(), steps[recent].sum() / seconds[recent].sum()
    if now >= SLOW * best:
        return ""
    return tr(
        "Slower than usual: {now:.3g} steps/s in the last seconds, {best:.3g} at best. The machine may be busy; results do not change.",
        now=now,
        best=best,
    )


def _measured(rows: dict[str, np.ndarray], run: Any) -> tuple[np.ndarray, np.ndarray]:
    """Steps and seconds between neighbouring rows that have only steps of the currently trained tasks between them."""
    begun = run.training_started_at - (run.started_at - run.seconds_before)  # last start, or end of a pause, on the clock of wall_time
    steps, seconds = np.diff(rows["step"]), np.diff(rows["wall_time"])
    across = _are_whole(rows["epoch"][:-1]) | (rows["wall_time"][:-1] < begun)
    epochs = (rows["epoch"] - 1e-6).astype(int) + 1
    trained = {epoch: tuple(run.config.trains(epoch)) for epoch in np.unique(epochs).tolist()}
    alike = [epoch for epoch, tasks in trained.items() if tasks == trained[int(epochs[-1])]]
    kept = ~across & (seconds > 0) & np.isin(epochs[1:], alike)
    return steps[kept], seconds[kept]


def _are_whole(epochs: np.ndarray) -> np.ndarray:
    """Which of these are whole numbers; so is a missing one."""
    return np.isnan(epochs) | (np.abs(epochs - np.round(epochs)) < 1e-6)
