"""Whether a run is slower than it was: its last seconds beside its own best, from the recorded rows."""

from __future__ import annotations

from typing import Any

import pandas as pd

RECENT = 10.0  # seconds of stepping that count as the last ones
STRETCH = 2.0  # seconds of stepping that a speed is taken over; shorter ones are noise
STRETCHES = 3  # of them before "usual" means anything
SLOW = 0.5  # of the best speed


def slower_than_usual(run: Any, frame: pd.DataFrame | None) -> str:
    """A sentence where the last seconds had less than half of the run's own best speed; empty otherwise, and while nothing is stepped.

    Only steps count: what lies between two recorded rows with an epoch's end, a pause or a new start in between is left out, and epochs that train
    other tasks than this one are.

    Args:
        frame: its scalars, see ``RunStore.scalars``.
    """
    if str(run.status) != "running" or run.training_started_at is None or run.started_at is None or frame is None or not len(frame):
        return ""
    rows = frame[frame["key"] == "optimizer/lr"].drop_duplicates("step", keep="last").sort_values("step")
    if len(rows) < 2 or rows["step"].iloc[-1] != frame["step"].max() or _is_whole(rows["epoch"].iloc[-1]):
        return ""  # it validates now
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
    return f"Slower than usual: this machine is busy. {now:.3g} steps/s in the last seconds, {best:.3g} at best. Its results do not change by it."


def _measured(rows: pd.DataFrame, run: Any) -> pd.DataFrame:
    """Steps and seconds between neighbouring rows, where nothing but steps of the tasks that are trained now lies between them."""
    begun = run.training_started_at - (run.started_at - run.seconds_before)  # on the clock of wall_time: the last start, or end of a pause
    pairs = pd.DataFrame({"steps": rows["step"].diff(), "seconds": rows["wall_time"].diff(), "at": rows["wall_time"], "epoch": rows["epoch"]})
    across = rows["epoch"].shift().map(_is_whole) | (rows["wall_time"].shift() < begun)
    epochs = rows["epoch"].map(lambda epoch: int(epoch - 1e-6) + 1)
    trained = epochs.map({epoch: tuple(run.config.trains(epoch)) for epoch in epochs.unique()})
    return pairs[~across & (pairs["seconds"] > 0) & (trained == trained.iloc[-1])].dropna()


def _is_whole(epoch: float) -> bool:
    return bool(pd.isna(epoch)) or abs(epoch - round(epoch)) < 1e-6
