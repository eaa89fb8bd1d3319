"""The lines of an answer: every comparison of a study, paired by seed, with its verdict after Holm's correction over all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mtl_core.language import mark, tr
from mtl_core.studies.paired import PairedDifference, holm, p_against_the_best, paired_difference
from mtl_core.studies.study import Study
from mtl_core.studies.study_kind import Comparison
from mtl_core.studies.study_values import TaskMetric, Values, overall_gains, pairs_of
from mtl_core.studies.verdict import Verdict, verdict

OVERALL = ""  # in place of a task's name: the mean relative gain over the tasks


@dataclass(frozen=True)
class Line:
    """One comparison with its verdict.

    Attributes:
        cell: key of the cell. ``label``: of the comparison.
        task: ``OVERALL`` for the mean relative gain over the tasks, in %.
        value, baseline: means over the paired seeds, in the metric's unit; NaN for ``OVERALL``.
        seeds: those that both sides have finished.
        verdict: None if there is no pair yet.
        chosen_among: number of cells that the baseline is the best of, chosen on the same data; 1 for a baseline that was fixed beforehand.
    """

    cell: str
    label: str
    task: str
    metric: TaskMetric | None
    value: float
    baseline: float
    seeds: tuple[int, ...]
    verdict: Verdict | None
    chosen_among: int = 1


@dataclass(frozen=True)
class _Draft:
    """A line before Holm's correction."""

    comparison: Comparison
    chosen_among: int
    task: str
    metric: TaskMetric | None = None
    value: float = math.nan
    baseline: float = math.nan
    seeds: tuple[int, ...] = ()
    difference: PairedDifference | None = None

    @property
    def p_value(self) -> float:
        found = self.difference
        return p_against_the_best(found.p_value, found.mean, self.chosen_among) if found else math.nan

    def line(self, p_corrected: float, count: int) -> Line:
        place = (self.comparison.cell, self.comparison.label, self.task, self.metric, self.value, self.baseline, self.seeds)
        found = self.difference
        factor = self.chosen_among if found and found.mean < 0 else 1
        return Line(*place, verdict(found, p_corrected, count * factor) if found else None, self.chosen_among)


def lines_of(study: Study, values: Values, metrics: Mapping[str, TaskMetric]) -> list[Line]:
    """Every comparison of the study, and of each method with the best of the sweep, which is only overall. Holm's correction is over all of them."""
    drafts: list[_Draft] = []
    band, interval = study.settings.band, study.settings.interval
    rivals, points = _rivals(study, values, metrics)
    for comparison, is_chosen in [*((each, False) for each in study.comparisons), *((each, True) for each in rivals)]:
        pairs, chosen_among = pairs_of(study, comparison, values), points if is_chosen else 1
        for task, each in pairs.items() if not is_chosen else ():
            metric = metrics.get(task)
            if not each or metric is None:
                drafts.append(_Draft(comparison, chosen_among, task, metric))
                continue
            compared, baselines = zip(*each.values(), strict=True)
            value, baseline = float(np.mean(compared)), float(np.mean(baselines))
            size = band if metric.name == "r2" else band * abs(baseline)  # R2 has no zero: its band is in its own unit
            difference = paired_difference(compared, baselines, metric.higher_is_better, size, interval)
            drafts.append(_Draft(comparison, chosen_among, task, metric, value, baseline, tuple(each), difference))
        if comparison.has_overall and (len(pairs) > 1 or is_chosen):
            gains = overall_gains(pairs, metrics)
            difference = paired_difference(list(gains.values()), [0.0] * len(gains), True, 100 * band, interval) if gains else None
            drafts.append(_Draft(comparison, chosen_among, OVERALL, seeds=tuple(gains), difference=difference))
    corrected = holm([draft.p_value for draft in drafts])
    return [draft.line(p, len(drafts)) for draft, p in zip(drafts, corrected, strict=True)]


def _rivals(study: Study, values: Values, metrics: Mapping[str, TaskMetric]) -> tuple[list[Comparison], int]:
    """Comparisons with the best point of the sweep, and the number of its points; empty where there is none."""
    swept, points = _best_weights(study, values, metrics)
    if not swept:
        return [], 0
    labels = {cell.key: cell.label for cell in study.cells}
    said = mark("{cell} against the best of the sweep ({label})")
    named = [(each, tr(said, cell=labels[each.cell], label=labels[swept])) for each in study.comparisons]
    return [replace(each, label=label, baselines=dict.fromkeys(each.baselines, swept)) for each, label in named], points


def _best_weights(study: Study, values: Values, metrics: Mapping[str, TaskMetric]) -> tuple[str, int]:
    """For a study of methods: the point of the sweep with the highest mean gain over the first cell, and the number of points. Empty without one.

    It is chosen on the data that it is compared on, so it has an advantage over the methods: see ``p_against_the_best``.
    """
    swept = [cell.key for cell in study.cells if cell.weights is not None and cell.key != study.cells[0].key]
    if not swept or all(cell.weights is not None for cell in study.cells):
        return "", 0
    gains = {}
    for key in swept:
        found = overall_gains(pairs_of(study, Comparison(key, "", dict.fromkeys(metrics, study.cells[0].key)), values), metrics)
        if found:
            gains[key] = float(np.mean(list(found.values())))
    return (max(gains, key=lambda key: gains[key]) if gains else ""), len(gains)
