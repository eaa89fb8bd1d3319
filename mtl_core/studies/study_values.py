"""The values that a study compares: main metrics, spreads over the seeds, pairs of equal seed, relative gains, and which tasks are not learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_core.analysis.metric_ranges import UNBOUNDED, range_of
from mtl_core.analysis.student_interval import t_interval
from mtl_core.runs.run_results import Result
from mtl_core.studies import aggregates
from mtl_core.studies.study import Study
from mtl_core.studies.study_kind import Comparison

MOST_NAMED = 3  # cells in a note


@dataclass(frozen=True)
class TaskMetric:
    """The main metric of a task."""

    task: str
    name: str
    title: str
    unit: str
    higher_is_better: bool


@dataclass(frozen=True)
class Spread:
    """A cell's values of one task over its seeds. ``low``, ``high``: Student's 95 % interval of the mean; NaN
    below two seeds, and where all values are equal, because a metric that counts few images moves in steps: that is no proof of a spread of 0.
    ``bounds``: the metric's range; the interval may leave it, and what is shown is cut there."""

    values: dict[int, float]
    mean: float
    low: float
    high: float
    bounds: tuple[float, float] = UNBOUNDED

    @property
    def n(self) -> int:
        return len(self.values)


def metrics_of(infos: Any) -> dict[str, TaskMetric]:
    found: dict[str, TaskMetric] = {}
    for info in infos:
        for task, about in info.get("tasks", {}).items():
            main = about["main_metric"]
            said = about["metrics"][main]
            metric = TaskMetric(task, main, said.get("title") or main, said.get("unit") or "", bool(said["higher_is_better"]))
            found.setdefault(task, metric)
    return found


def _read(result: Result, which: str) -> float | None:
    return result.best if which == "best" and result.split == "val" else result.chosen if result.chosen is not None else result.best


def values_of(results: Sequence[Result], metrics: Mapping[str, TaskMetric], split: str, which: str) -> dict[str, float]:
    """Task -> value of its main metric."""
    wanted = {(task, metric.name) for task, metric in metrics.items()}
    found = {each.task: _read(each, which) for each in results if each.split == split and (each.task, each.metric) in wanted}
    return {task: value for task, value in found.items() if value is not None}


def all_metrics_of(results: Sequence[Result], split: str, which: str) -> dict[tuple[str, str], tuple[float, bool]]:
    """(task, metric) -> (value, higher is better) of every metric but the loss."""
    found = {}
    for each in results:
        value = _read(each, which)
        if each.split == split and each.metric != "loss" and value is not None and each.higher_is_better is not None:
            found[each.task, each.metric] = (value, each.higher_is_better)
    return found


def regrets_of(results: Sequence[Result], metrics: Mapping[str, TaskMetric]) -> dict[str, float]:
    """Task -> what it loses on val at the one chosen checkpoint, against its own best epoch: in its main metric's unit, 0 or more."""
    wanted = {(task, metric.name) for task, metric in metrics.items()}
    return {
        each.task: abs(each.best - each.chosen)
        for each in results
        if each.split == "val" and (each.task, each.metric) in wanted and each.best is not None and each.chosen is not None
    }


Values = Mapping[tuple[str, int], Mapping[str, float]]


def spreads_of(cell: str, seeds: Sequence[int], metrics: Mapping[str, TaskMetric], values: Values) -> dict[str, Spread]:
    found = {}
    for task in metrics:
        known = {seed: values[cell, seed][task] for seed in seeds if task in values.get((cell, seed), {})}
        if known:
            numbers = list(known.values())
            low, high = t_interval(numbers) if np.ptp(numbers) > 0 else (math.nan, math.nan)
            found[task] = Spread(known, float(np.mean(numbers)), low, high, range_of(metrics[task].name, metrics[task].unit))
    return found


def pairs_of(study: Study, comparison: Comparison, values: Values) -> dict[str, dict[int, tuple[float, float]]]:
    """Task -> seed -> (value, baseline), for the seeds that both sides have."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for task, baseline in comparison.baselines.items():
        found[task] = {
            seed: (values[comparison.cell, seed][task], values[baseline, seed][task])
            for seed in study.seeds
            if task in values.get((comparison.cell, seed), {}) and task in values.get((baseline, seed), {})
        }
    return found


def gain_of(pair: tuple[float, float], metric: TaskMetric) -> float:
    value, up = aggregates.dividable(metric.name, pair[0], metric.higher_is_better)
    return aggregates.relative_gain(value, aggregates.dividable(metric.name, pair[1], metric.higher_is_better)[0], up)


def overall_gains(pairs: Mapping[str, Mapping[int, tuple[float, float]]], metrics: Mapping[str, TaskMetric]) -> dict[int, float]:
    """Seed -> mean relative gain over all tasks, in %, for the seeds in which every task has a gain."""
    common = set.intersection(*(set(each) for each in pairs.values())) if pairs else set()
    found = {seed: float(np.mean([gain_of(each[seed], metrics[task]) for task, each in pairs.items()])) for seed in sorted(common)}
    return {seed: gain for seed, gain in found.items() if math.isfinite(gain)}


def ranks_of(cells: Sequence[str], seeds: Sequence[int], metrics: Mapping[str, TaskMetric], values: Values) -> dict[str, float]:
    """Cell -> mean rank over the tasks and seeds, 1 is best, among the cells that have every task, in the seeds that all of these have.

    Empty below two such cells.
    """
    whole = {place for place, each in values.items() if set(each) >= set(metrics)}
    ranked = [cell for cell in cells if any((cell, seed) in whole for seed in seeds)]
    common = [seed for seed in seeds if all((cell, seed) in whole for cell in ranked)]
    if len(ranked) < 2 or not common:
        return {}
    directions = [metric.higher_is_better for metric in metrics.values()]
    tables = [aggregates.mean_ranks([[values[cell, seed][task] for task in metrics] for cell in ranked], directions) for seed in common]
    return {cell: float(rank) for cell, rank in zip(ranked, np.mean(tables, axis=0), strict=True)}


def constants_in(info: Mapping[str, Any]) -> dict[str, float]:
    """Task -> what a constant prediction reaches on val in its main metric, as the run has recorded it."""
    return {task: about["constant"] for task, about in info.get("tasks", {}).items() if about.get("constant") is not None}


def unlearnt_notes(study: Study, metrics: Mapping[str, TaskMetric], on_val: Values, constants: Values) -> list[str]:
    """Notes on the tasks in which cells are, in the mean over their seeds, no better than a constant prediction: a difference between two networks
    that know nothing says nothing about sharing.

    Args:
        on_val: (cell, seed) -> task -> value of its main metric on val. ``constants``: what a constant prediction reaches there.
    """
    notes, by_none = [], []
    for task, metric in metrics.items():
        known, behind = 0, []
        for cell in study.cells:
            places = [(cell.key, seed) for seed in study.seeds]
            ahead = [on_val[at][task] - constants[at][task] for at in places if task in on_val.get(at, {}) and task in constants.get(at, {})]
            known += bool(ahead)
            if ahead and (sum(ahead) <= 0 if metric.higher_is_better else sum(ahead) >= 0):
                behind.append(cell.label)
        if behind and len(behind) == known:
            by_none.append(f"'{task}'")
        elif behind:
            more = len(behind) - MOST_NAMED
            named = ", ".join(f"'{label}'" for label in behind[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
            notes.append(
                f"'{task}' is not learnt in {named}: on val it is no better there than a constant prediction (the mean or the most frequent class)"
            )
    if by_none:
        notes.insert(
            0,
            f"no network that has finished has learnt {', '.join(by_none)}: on val, none is better than a constant prediction (the mean or the most "
            "frequent class). What the verdict says there, and overall, is then no answer; train longer, or change the settings",
        )
    return notes
