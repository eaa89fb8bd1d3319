"""The answer of a study: its values per cell and task, differences paired by seed with their verdicts, fronts and groupings. Reads no scalars."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import select

from mtl_core.runs.run_results import results_of
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.studies import aggregates
from mtl_core.studies.comparison_lines import Line, lines_of
from mtl_core.studies.front import dominates, front, hypervolume
from mtl_core.studies.grouping import Grouping, Network, affordable, groupings_by_cost
from mtl_core.studies.study import Study
from mtl_core.studies.study_kind import Comparison
from mtl_core.studies.study_values import (
    Spread,
    TaskMetric,
    Values,
    all_metrics_of,
    constants_in,
    gain_of,
    metrics_of,
    pairs_of,
    ranks_of,
    regrets_of,
    spreads_of,
    unlearnt_notes,
    values_of,
)
from mtl_core.studies.verdict import LEAST_SEEDS

HASH = 12  # digits of a hash that tables show


@dataclass(frozen=True)
class Front:
    """Points of fixed weights and of methods, means over the seeds, higher is better.

    Attributes:
        tasks: the columns. ``points``: cell -> values in the metric's unit, a lower-is-better metric with a minus.
        on_front: cells that no other point dominates.
        volume: of the sweep of weights, as a share of the box between the worst and the best value of each task; NaN below two points.
        beyond: method -> whether no point of the sweep dominates it in the means, and in how many of its seeds none does: (yes, seeds, of). With
            many tasks few points dominate, so this alone is no lead: the comparison with the best of the sweep has the verdict.
    """

    tasks: tuple[str, ...]
    points: dict[str, tuple[float, ...]]
    on_front: tuple[str, ...]
    volume: float
    beyond: dict[str, tuple[bool, int, int]]


@dataclass(frozen=True)
class Answer:
    """All that a study says so far.

    Attributes:
        split: ``val``, or ``test`` where a final table was asked for.
        spreads: cell -> task -> values of the main metric over the seeds.
        delta_m: cell -> (mean over tasks, higher is better; mean over metrics, lower is better), in %, against the cell's baselines. Without
            cells that are compared with several baselines: one number could not say against which.
        robust: cell -> (interquartile mean of value / baseline, its interval's ends, probability of improvement).
        ranks: cell -> mean rank over tasks and seeds, 1 is best, among the cells with every task.
        regrets: cell -> task -> what it loses at the chosen checkpoint against its own best epoch on val, mean over the seeds.
        groupings: number of networks -> the best division of the tasks; for studies of groups. ``group_networks``: what it was searched among.
        statuses: (cell, seed) -> status of its run.
        data_hashes: (cell, seed) -> SHA-256 of the data that its run trained on, see ``data_hash``; without runs of earlier versions.
        notes: what a reader must know, such as runs that do not count.
    """

    study: Study
    split: str
    metrics: dict[str, TaskMetric]
    spreads: dict[str, dict[str, Spread]]
    lines: list[Line]
    delta_m: dict[str, tuple[float, float]]
    robust: dict[str, tuple[float, float, float, float]]
    front: Front | None
    ranks: dict[str, float]
    regrets: dict[str, dict[str, float]]
    groupings: dict[int, Grouping]
    group_networks: list[Network]
    statuses: dict[tuple[str, int], str]
    run_ids: dict[tuple[str, int], str]
    data_hashes: dict[tuple[str, int], str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def group_names(self) -> list[str]:
        """Labels of ``group_networks``."""
        return [network.name for network in self.group_networks]

    @property
    def measured_networks(self) -> list[str]:
        """Cells whose networks' costs are measured: those of the study's comparison of one network with several, then those of other groups.

        Of a study of one network that predicts about others, this network."""
        study = self.study
        compared = study.compared_networks or [cell.key for cell in study.cells if study.untrained_cells]
        return compared + [cell.key for cell in self.study.cells if cell.label in self.group_names and cell.key not in compared]

    def whole_seed(self, cells: Sequence[str]) -> int | None:
        """The first seed whose runs have finished in all of these cells; None if there is none."""
        done = RunStatus.FINISHED.value
        return next((seed for seed in self.study.seeds if all(self.statuses.get((cell, seed)) == done for cell in cells)), None)

    @property
    def total(self) -> int:
        """Number of runs that the study consists of."""
        return self.study.planned_runs

    @property
    def is_going(self) -> bool:
        """Whether one of its runs waits in the queue or trains."""
        return any(not RunStatus(status).is_ended() for status in self.statuses.values())

    def count(self, *statuses: str) -> int:
        """Number of its runs in one of these states."""
        return sum(status in statuses for status in self.statuses.values())


def answer_of(store: RunStore, study: Study, split: str = "val") -> Answer:
    """The answer from the runs that have finished.

    Args:
        split: ``val`` selects and decides. ``test`` is for a final table only; its lines say how the cells compare there.
    """
    runs, notes = _runs_of(store, study)
    finished = {place: run for place, run in runs.items() if run["status"] == RunStatus.FINISHED.value and not run["differs"]}
    for place, run in runs.items():
        if run["differs"]:
            notes.append(f"run {run['id']} ({place[0]}, seed {place[1]}) does not count: {run['differs']}")
    hashes = {place: str(run["info"]["data_hash"]) for place, run in runs.items() if run["info"].get("data_hash")}
    results = results_of(store.database, [run["id"] for run in finished.values()])
    told = metrics_of(run["info"] for run in finished.values())
    metrics = {task: told[task] for task in study.base.tasks if task in told}  # in the config's order, whichever run was first
    values = {place: values_of(results[run["id"]], metrics, split, study.settings.value) for place, run in finished.items()}
    on_val = values if split == "val" else {at: values_of(results[run["id"]], metrics, "val", study.settings.value) for at, run in finished.items()}
    constants = {place: constants_in(run["info"]) for place, run in finished.items()}
    every = {place: all_metrics_of(results[run["id"]], split, study.settings.value) for place, run in finished.items()}
    spreads = {cell.key: spreads_of(cell.key, study.seeds, metrics, values) for cell in study.cells}
    return Answer(
        study,
        split,
        metrics,
        spreads,
        lines_of(study, values, metrics),
        {comparison.cell: _delta_m(study, comparison, every) for comparison in _compared_once(study)},
        {comparison.cell: found for comparison in _compared_once(study) if (found := _robust(study, comparison, values, metrics))},
        _front(study, values, metrics),
        ranks_of([cell.key for cell in study.cells], study.seeds, metrics, values),
        _regrets(study, {place: regrets_of(results[run["id"]], metrics) for place, run in finished.items()}),
        *_groupings(study, values, metrics),
        {place: run["status"] for place, run in runs.items()},
        {place: run["id"] for place, run in runs.items()},
        hashes,
        [
            *notes,
            *_other_data(study, {place: found for place, found in hashes.items() if place in finished}),
            *unlearnt_notes(study, metrics, on_val, constants),
        ],
    )


def _other_data(study: Study, known: Mapping[tuple[str, int], str]) -> list[str]:
    """A note for each data set that the runs of the study have trained on in several versions."""
    found: dict[str, tuple[str, set[str]]] = {}
    for cell in study.cells:
        settings = json.dumps(cell.config.data.model_dump(mode="json"), sort_keys=True)
        found.setdefault(settings, (cell.config.data.own_name, set()))[1].update(each for (key, _), each in known.items() if key == cell.key)
    several = [(name, ", ".join(sorted(short_hash(one) for one in each))) for name, each in found.values() if len(each) > 1]
    return [
        f"runs with the same settings of the data set '{name}' have different hashes of the data: {hashes}. Their differences may come from the data"
        for name, hashes in several
    ]


def short_hash(digest: str | None) -> str:
    """The digits of a SHA-256 that tables show; a dash where it is not known."""
    return digest[:HASH] if digest else "–"


def _runs_of(store: RunStore, study: Study) -> tuple[dict[tuple[str, int], dict[str, Any]], list[str]]:
    """(cell, seed) -> id, status, info and what makes the run differ from its cell, in one query."""
    cells, runs = schema.study_runs, schema.runs
    columns = (cells.c.cell, cells.c.seed, runs.c.id, runs.c.status, runs.c.info, runs.c.config)
    query = select(*columns).select_from(cells.join(runs, runs.c.id == cells.c.run_id)).where(cells.c.study_id == study.id)
    with store.database.read() as connection:
        rows = connection.execute(query).all()
    wanted, notes, found = {cell.key: cell for cell in study.cells}, [], {}
    for row in rows:
        if row.cell not in wanted or row.seed not in study.seeds:
            continue
        config, cell = json.loads(row.config), wanted[row.cell].config
        differs = ""
        if len(config.get("changes", [])) != len(cell.changes):
            differs = "settings were changed while it trained"
        elif config.get("epochs") != cell.epochs:
            differs = f"it was trained on to {config.get('epochs')} epochs"
        found[row.cell, row.seed] = {"id": row.id, "status": row.status, "info": json.loads(row.info or "{}"), "differs": differs}
    return found, notes


def _compared_once(study: Study) -> list[Comparison]:
    """The comparisons of the cells that have one."""
    counts = Counter(comparison.cell for comparison in study.comparisons)
    return [comparison for comparison in study.comparisons if counts[comparison.cell] == 1]


def _regrets(study: Study, found: Mapping[tuple[str, int], Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Cell -> task -> mean regret over the seeds."""
    rows = {cell.key: [found[cell.key, seed] for seed in study.seeds if (cell.key, seed) in found] for cell in study.cells}
    return {
        key: {
            task: float(np.mean([each[task] for each in regrets if task in each]))
            for task in dict.fromkeys(task for each in regrets for task in each)
        }
        for key, regrets in rows.items()
    }


def _delta_m(
    study: Study, comparison: Comparison, every: Mapping[tuple[str, int], Mapping[tuple[str, str], tuple[float, bool]]]
) -> tuple[float, float]:
    """delta_m of the means over the seeds, in both published forms; NaN where it is not defined."""
    values, bases, up = {}, {}, {}
    for task, baseline in comparison.baselines.items():
        places = [((comparison.cell, seed), (baseline, seed)) for seed in study.seeds]
        sides = [(every[ours], every[theirs]) for ours, theirs in places if ours in every and theirs in every]
        for key in dict.fromkeys(key for side in sides for key in side[0] if key[0] == task and key in side[1]):  # a set has no fixed order
            pairs = [(ours[key], theirs[key]) for ours, theirs in sides if key in ours and key in theirs]
            values[key], bases[key] = (float(np.mean([pair[side][0] for pair in pairs])) for side in (0, 1))
            up[key] = pairs[0][0][1]
    return aggregates.delta_m_of_tasks(values, bases, up), aggregates.delta_m_of_metrics(values, bases, up)


def _robust(study: Study, comparison: Comparison, values: Values, metrics: Mapping[str, TaskMetric]) -> tuple[float, float, float, float] | None:
    """Interquartile mean of value / baseline, its stratified interval, and the probability of improvement; None below three common seeds."""
    pairs = pairs_of(study, comparison, values)
    common = sorted(set.intersection(*(set(each) for each in pairs.values()))) if pairs else []
    scores = np.array([[1 + gain_of(each[seed], metrics[task]) / 100 for task, each in pairs.items()] for seed in common])
    if len(common) < LEAST_SEEDS or not np.isfinite(scores).all():
        return None
    sides = [
        np.array([[each[seed][side] * (1 if metrics[task].higher_is_better else -1) for task, each in pairs.items()] for seed in common])
        for side in (0, 1)
    ]
    return (aggregates.interquartile_mean(scores), *aggregates.stratified_interval(scores), aggregates.improvement_probability(*sides))


def _oriented(values: Mapping[str, float], metrics: Mapping[str, TaskMetric]) -> tuple[float, ...]:
    return tuple(values[task] * (1 if metrics[task].higher_is_better else -1) for task in metrics)


def _front(study: Study, values: Values, metrics: Mapping[str, TaskMetric]) -> Front | None:
    weighted = [cell.key for cell in study.cells if cell.weights is not None]
    if len(weighted) < 2 or not metrics:
        return None
    whole = {place: _oriented(each, metrics) for place, each in values.items() if set(each) >= set(metrics)}
    points = {}
    for cell in study.cells:
        rows = [whole[cell.key, seed] for seed in study.seeds if (cell.key, seed) in whole]
        if rows:
            points[cell.key] = tuple(float(number) for number in np.mean(rows, axis=0))
    swept = [key for key in weighted if key in points]
    beyond = {}
    for key in points:
        if key not in weighted:
            seeds = [seed for seed in study.seeds if (key, seed) in whole and all((other, seed) in whole for other in swept)]
            free = sum(not any(dominates(whole[other, seed], whole[key, seed]) for other in swept) for seed in seeds)
            beyond[key] = (not any(dominates(points[other], points[key]) for other in swept), free, len(seeds))
    names = list(points)
    on_front = tuple(names[place] for place in front([points[name] for name in names]))
    return Front(tuple(metrics), points, on_front, _volume([points[key] for key in swept]), beyond)


def _volume(points: Sequence[tuple[float, ...]]) -> float:
    if len(points) < 2:
        return math.nan
    table = np.array(points)
    low, size = table.min(axis=0), np.ptp(table, axis=0)
    if (size == 0).any():
        return math.nan
    return hypervolume(((table - low) / size).tolist(), [0.0] * table.shape[1])


def _groupings(study: Study, values: Values, metrics: Mapping[str, TaskMetric]) -> tuple[dict[int, Grouping], list[Network]]:
    """For each number of networks the division with the highest mean gain over single networks; only where each task alone is a cell."""
    tasks = list(study.base.tasks)
    groups = [cell for cell in study.cells if cell.key == "+".join(cell.config.tasks)]
    if len(groups) < len(study.cells) or not all(task in {cell.key for cell in groups} for task in tasks):
        return {}, []
    networks: list[Network] = []
    for cell in groups:
        pairs = pairs_of(study, Comparison(cell.key, "", {task: task for task in cell.config.tasks}), values)
        gains = {task: float(np.mean([gain_of(pair, metrics[task]) for pair in each.values()])) for task, each in pairs.items() if each}
        if set(gains) == set(cell.config.tasks) and all(math.isfinite(gain) for gain in gains.values()):
            networks.append(Network({task: -gain for task, gain in gains.items()}, 1.0, cell.label))
    best = groupings_by_cost(networks, tasks)
    found = {budget: affordable(best, budget) for budget in range(1, len(tasks) + 1)}
    return {budget: grouping for budget, grouping in found.items() if grouping is not None}, networks
