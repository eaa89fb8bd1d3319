"""TransferAlarm: a task of a run that trains does clearly worse than the networks that have the task alone, at the same epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from mtl_core.analysis.student_interval import LEVEL, t_factor
from mtl_core.errors import NotPossibleError
from mtl_core.runs import actions
from mtl_core.runs.resume_and_fork import fork, fork_config, forkable
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.scalar_points import values_of
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.studies.answer import Answer
from mtl_core.studies.study_values import TaskMetric

IN_A_ROW = 2  # epochs outside the band: one alone happens by chance in a curve of many epochs
LEAST_BASELINES = 3  # runs, as for a verdict

Curve = Mapping[int, float]  # epoch -> value on val


@dataclass(frozen=True)
class TransferAlarm:
    """A task that has left the band of its baseline on the worse side.

    Attributes:
        run_id, cell, seed: of the run that trains.
        epoch: the last epoch that both sides have measured.
        value: the run's, in the metric's unit.
        low, high: ends of the band at that epoch: Student's 95 % prediction interval for one further run of the baseline.
        baselines: number of runs that the band is made from.
    """

    run_id: str
    cell: str
    seed: int
    task: str
    metric: TaskMetric
    epoch: int
    value: float
    low: float
    high: float
    baselines: int


def transfer_alarms(store: RunStore, answer: Answer) -> list[TransferAlarm]:
    """The alarms of a study's active runs. Reads the main metrics of these runs and of their finished baselines, on val."""
    found = []
    for comparison in answer.study.comparisons:
        for (cell, seed), run_id in answer.run_ids.items():
            if cell != comparison.cell or not RunStatus(answer.statuses[cell, seed]).is_active():
                continue
            for task, baseline in comparison.baselines.items():
                metric = answer.metrics.get(task)
                done = [
                    other for (key, place), other in answer.run_ids.items() if key == baseline and answer.statuses[key, place] == RunStatus.FINISHED
                ]
                if metric is None or len(done) < LEAST_BASELINES:
                    continue
                curves = _curves(store, [run_id, *done], f"val/{task}/{metric.name}")
                left = outside(curves.get(run_id, {}), [curves.get(other, {}) for other in done], metric.higher_is_better)
                if left:
                    found.append(TransferAlarm(run_id, cell, seed, task, metric, *left, len(done)))
    return found


def drop_task(store: RunStore, run_id: str, task: str) -> list[str]:
    """Queue two forks from the run's newest checkpoint, without and with the task; their ids. A second call within the same epoch adds nothing.

    Raises:
        NotPossibleError: the run has no checkpoint of a whole epoch yet, or was trained to its end.
    """
    kept = forkable(store, run_id)
    if not kept:
        raise NotPossibleError("the run has no checkpoint of a whole epoch yet; wait for the next one")
    run, epoch = store.get(run_id), int(kept[-1].epoch)
    if epoch >= run.config.epochs:
        raise NotPossibleError(
            f"run {run.id} has been trained to its end, so nothing of it is left to train without '{task}'; fork it from an earlier epoch, and set "
            f"tasks.{task}.loss_weight to 0"
        )
    made = []
    for change in ([f"tasks.{task}.loss_weight=0"], []):
        request = f"drop.{run_id}.{task}.{epoch}.{len(change)}"
        made.append(fork(store, run_id, epoch, fork_config(run, epoch, change), request_id=request).id)
    for each in made:
        actions.set_tags(store, each, [f"drop-{run_id[-4:]}"])
    return made


def forks_of(store: RunStore, answer: Answer) -> list[Run]:
    """Forks of the study's runs, such as those of ``drop_task``; the newest first. They are no cells of the study."""
    runs, cells = schema.runs, schema.study_runs
    wanted = select(runs.c.id).select_from(runs.join(cells, cells.c.run_id == runs.c.parent_id)).where(cells.c.study_id == answer.study.id)
    with store.database.read() as connection:
        found = list(connection.execute(wanted.distinct()).scalars())
    return store.several(found) if found else []


def outside(curve: Curve, baselines: Sequence[Curve], higher_is_better: bool) -> tuple[int, float, float, float] | None:
    """Epoch, value and the band's ends, if the last ``IN_A_ROW`` epochs that all curves have lie outside the band on the worse side; else None."""
    common = sorted(epoch for epoch in curve if all(epoch in other for other in baselines))
    epochs = common[-IN_A_ROW:]
    if len(epochs) < IN_A_ROW or len(baselines) < LEAST_BASELINES:
        return None
    bands = {epoch: band_of([other[epoch] for other in baselines]) for epoch in epochs}
    worse = [curve[epoch] < bands[epoch][0] if higher_is_better else curve[epoch] > bands[epoch][1] for epoch in epochs]
    return (epochs[-1], curve[epochs[-1]], *bands[epochs[-1]]) if all(worse) else None


def band_of(values: Sequence[float]) -> tuple[float, float]:
    """Student's prediction interval for one further value: mean -+ t * spread * sqrt(1 + 1/n). Equal values give no ends: their spread is not known.

    Args:
        values: (n,) finite, n >= 2.
    """
    known = np.asarray(values, float)
    if np.ptp(known) == 0:
        return -math.inf, math.inf
    half = t_factor(len(known) - 1, LEVEL) * known.std(ddof=1) * math.sqrt(1 + 1 / len(known))
    return float(known.mean() - half), float(known.mean() + half)


def _curves(store: RunStore, run_ids: Sequence[str], key: str) -> dict[str, dict[int, float]]:
    found = {}
    with store.database.read() as connection:
        for run_id in run_ids:
            values = values_of(connection, run_id, lambda each: each == key)
            found[run_id] = {round(epoch): value for _, _, epoch, value in values if not math.isnan(value)}
    return {run_id: curve for run_id, curve in found.items() if curve}
