"""TaskAffinity: how much a step for each task changes the losses of the others, averaged over a run, and the grouping that this advises.

Measured by ``mtl_core.training.affinity_probe`` (Fifty et al. 2021, https://arxiv.org/abs/2109.04617). Imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np

from mtl_core.language import tr
from mtl_core.runs.run_results import means_of
from mtl_core.runs.sql.scalar_points import values_of
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import percent
from mtl_core.studies.answer import Answer
from mtl_core.studies.grouping import Grouping, Network, affordable, groupings_by_cost
from mtl_core.studies.study_values import gain_of

MOST_TASKS = 5  # 31 groups take the exact search some tenths of a second, 63 some seconds
LEAST_ROWS = 4  # pairs of prediction and measurement for a rank correlation


@dataclass(frozen=True)
class TaskAffinity:
    """Mean affinities.

    Attributes:
        tasks: T names.
        values: (T, T): row i, column j: 1 - loss of j after a step for i / loss of j before; above 0 a step for i helps j. NaN if not measured.
        cosines: (T, T) mean cosines between the tasks' gradients; NaN if not measured.
        points: number of measured points on the curves of all runs.
        runs: number of runs that were measured.
    """

    tasks: tuple[str, ...]
    values: np.ndarray
    cosines: np.ndarray
    points: int
    runs: int = 1

    @property
    def is_measured(self) -> bool:
        """Whether every two tasks have an affinity in both directions."""
        return bool(np.isfinite(self.values[~np.eye(len(self.tasks), dtype=bool)]).all()) and len(self.tasks) > 1

    def onto(self, task: str, group: Sequence[str]) -> float:
        """Mean affinity of the group's other tasks onto ``task``: the predicted gain of ``task`` in that group. 0 if it is alone."""
        return self._mean(self.values, task, group)

    def cosine(self, task: str, group: Sequence[str]) -> float:
        """Mean cosine between the gradient of ``task`` and those of the group's other tasks; NaN if not measured."""
        return self._mean(self.cosines, task, group)

    def _mean(self, table: np.ndarray, task: str, group: Sequence[str]) -> float:
        place = self.tasks.index(task)
        others = [self.tasks.index(other) for other in group if other != task]
        return float(np.mean([table[other, place] for other in others])) if others else 0.0


@dataclass(frozen=True)
class Advice:
    """The division into networks with the highest sum of predicted gains, for each number of networks.

    Attributes:
        groups: all groups of tasks.
        divisions: number of networks -> the best division; ``networks`` are places in ``groups``, ``total`` is minus the sum of predicted gains.
    """

    groups: tuple[tuple[str, ...], ...]
    divisions: dict[int, Grouping]

    def chosen(self, budget: int) -> list[tuple[str, ...]]:
        """The groups of one division."""
        return [self.groups[place] for place in self.divisions[budget].networks]

    def gain(self, budget: int) -> float:
        """Mean over the tasks of the predicted affinity onto each."""
        return self.divisions[budget].mean_gain


def advice(affinity: TaskAffinity) -> Advice | None:
    """The best divisions for 1 to T networks, by exact search; None before every pair is measured, or beyond ``MOST_TASKS`` tasks.

    A task's gain in a group is the mean affinity of the others onto it (Fifty et al. 2021, section 3.3). A task alone has 0; the authors' code takes
    a task alone only where nothing else is left. The two differ only where affinities are negative.
    """
    if not affinity.is_measured or len(affinity.tasks) > MOST_TASKS:
        return None
    return _searched(affinity.tasks, tuple(map(tuple, affinity.values.tolist())))


def predicted_networks(affinity: TaskAffinity, labels: Mapping[str, str] | None = None) -> list[Network]:
    """A network for each group of tasks, with the predicted gain of each of its tasks, negative, as loss, and a cost of 1.

    Args:
        labels: key of a group, such as ``digit+ink``, -> name of its network.
    """
    found = []
    for size in range(1, len(affinity.tasks) + 1):
        for group in combinations(affinity.tasks, size):
            name = (labels or {}).get("+".join(group), " + ".join(group))
            found.append(Network({task: -affinity.onto(task, group) for task in group}, 1.0, name))
    return found


@lru_cache(maxsize=32)  # a page that refreshes asks again with the same numbers
def _searched(tasks: tuple[str, ...], values: tuple[tuple[float, ...], ...]) -> Advice:
    affinity = TaskAffinity(tasks, np.array(values), np.array(values), 0)
    networks = predicted_networks(affinity)
    best = groupings_by_cost(networks, tasks)
    found = {budget: affordable(best, budget) for budget in range(1, len(tasks) + 1)}
    return Advice(
        tuple(tuple(network.losses) for network in networks), {budget: division for budget, division in found.items() if division is not None}
    )


def affinity_of(points: Iterable[tuple[str, int, float]], tasks: Sequence[str]) -> TaskAffinity:
    """The means over one run, from (key, step, value) in the order of recording. A step that was done again after a crash counts once."""
    last = {(key, step): value for key, step, value in points if value is not None and math.isfinite(value)}
    by_key: dict[str, list[float]] = {}
    for (key, _), value in last.items():
        by_key.setdefault(key, []).append(value)
    return _of_means({key: (float(np.mean(values)), len(values)) for key, values in by_key.items()}, tasks)


def _of_means(means: Mapping[str, tuple[float, int]], tasks: Sequence[str]) -> TaskAffinity:
    """From key -> (mean over the run, number of values)."""
    size = len(tasks)
    values, cosines = np.full((size, size), np.nan), np.full((size, size), np.nan)
    counts = []
    for row, source in enumerate(tasks):
        for column, target in enumerate(tasks):
            if found := means.get(f"affinity/{source}/{target}"):
                values[row, column] = found[0]
                counts.append(found[1])
            if found := means.get(f"conflict/{source}/{target}"):
                cosines[row, column] = cosines[column, row] = found[0]
    return TaskAffinity(tuple(tasks), values, cosines, max(counts, default=0))


def run_affinity(store: RunStore, run_id: str, tasks: Sequence[str]) -> TaskAffinity:
    """The means over a run of the store so far."""
    with store.database.read() as connection:
        found = values_of(connection, run_id, lambda key: key.startswith(("affinity/", "conflict/")))
    return affinity_of([(key, step, value) for key, step, _, value in found], tasks)


def study_affinity(store: RunStore, answer: Answer) -> TaskAffinity | None:
    """The mean over the runs of a study that have all its tasks in one network; None if the study has no such cell, or none was measured.

    Of finished runs the means are read that were stored with their results: a few numbers a run, however long it was. The scalars are read of runs
    that still train, and of runs without such means, which an earlier version recorded.
    """
    tasks = tuple(answer.study.base.tasks)
    whole = {cell.key for cell in answer.study.cells if tuple(cell.config.tasks) == tasks and cell.config.affinity_every}
    ids = [run_id for (cell, _), run_id in answer.run_ids.items() if cell in whole]
    states = {run_id: RunStatus(answer.statuses[place]) for place, run_id in answer.run_ids.items()}
    finished = [run_id for run_id in ids if states[run_id] == RunStatus.FINISHED]
    stored = means_of(
        store.database, finished, [f"{about}/{source}/{target}" for about in ("affinity", "conflict") for source in tasks for target in tasks]
    )
    known = {run_id: _of_means(means, tasks) for run_id, means in stored.items() if means}
    found = [known.get(run_id) or run_affinity(store, run_id, tasks) for run_id in ids if states[run_id] != RunStatus.QUEUED]
    found = [each for each in found if each.is_measured]
    if not found:
        return None
    cosines = np.mean([each.cosines for each in found], axis=0)
    return TaskAffinity(tasks, np.mean([each.values for each in found], axis=0), cosines, sum(each.points for each in found), len(found))


@dataclass(frozen=True)
class GroupRow:
    """A task in a group: what was predicted from the network with all tasks, and what was measured.

    Attributes:
        affinity: mean affinity of the others onto the task. cosine: mean cosine between its gradient and theirs.
        gain: relative gain over the task alone in %, mean over the seeds; NaN if not measured.
        seeds: number of seeds of the gain.
    """

    group: str
    task: str
    affinity: float
    cosine: float
    gain: float
    seeds: int


def beside_measured(answer: Answer, affinity: TaskAffinity) -> list[GroupRow]:
    """A row for each task in each group of two or more that the study has as a cell."""
    rows = []
    for cell in answer.study.cells:
        group = list(cell.config.tasks)
        if len(group) < 2 or cell.key != "+".join(group):
            continue
        for task in group:
            gains = _gains(answer, cell.key, task)
            mean = float(np.mean(gains)) if gains else math.nan
            rows.append(GroupRow(cell.label, task, affinity.onto(task, group), affinity.cosine(task, group), mean, len(gains)))
    return rows


def rank_agreement(pairs: Iterable[tuple[float, float]]) -> tuple[float, int]:
    """Spearman's rank correlation of prediction and measurement, and the number of pairs; NaN below ``LEAST_ROWS`` pairs or without differences."""
    known = [pair for pair in pairs if all(math.isfinite(value) for value in pair)]
    if len(known) < LEAST_ROWS or any(len(set(side)) < 2 for side in zip(*known, strict=True)):
        return math.nan, len(known)
    from scipy.stats import spearmanr  # slow to import

    predicted, measured = np.asarray(known, dtype=float).T
    return float(np.asarray(spearmanr(predicted, measured))[0]), len(known)


def _gains(answer: Answer, cell: str, task: str) -> list[float]:
    """Relative gains over the task alone, one for each seed that both have."""
    ours, alone = (answer.spreads.get(key, {}).get(task) for key in (cell, task))
    if ours is None or alone is None:
        return []
    metric = answer.metrics[task]
    gains = [gain_of((ours.values[seed], alone.values[seed]), metric) for seed in ours.values if seed in alone.values]
    return [gain for gain in gains if math.isfinite(gain)]


def sentences(affinity: TaskAffinity) -> list[str]:
    """What helps and what harms most, in words; empty before every pair is measured."""
    if not affinity.is_measured:
        return []
    pairs = {
        (source, target): float(affinity.values[row, column])
        for row, source in enumerate(affinity.tasks)
        for column, target in enumerate(affinity.tasks)
        if row != column
    }
    most, least = max(pairs, key=lambda pair: pairs[pair]), min(pairs, key=lambda pair: pairs[pair])
    found = [_sentence(*most, pairs[most])]
    if least != most:
        found.append(_sentence(*least, pairs[least]))
    return found


def _sentence(source: str, target: str, value: float) -> str:
    change = percent(value, sign="")
    if value >= 0:
        return tr("A step for {source} alone lowers the loss of {target} by {change} on average.", source=source, target=target, change=change)
    return tr("A step for {source} alone raises the loss of {target} by {change} on average.", source=source, target=target, change=change)


def as_json(affinity: TaskAffinity) -> dict[str, object]:
    """Affinities, cosines and advice as plain values; numbers that are not known are None."""
    found = advice(affinity)
    return {
        "tasks": list(affinity.tasks),
        "affinity": _nested(affinity.tasks, affinity.values),
        "cosine": _nested(affinity.tasks, affinity.cosines),
        "points": affinity.points,
        "runs": affinity.runs,
        "advice": {} if found is None else {str(budget): _division(found, budget) for budget in found.divisions},
    }


def _division(found: Advice, budget: int) -> Mapping[str, object]:
    return {"networks": [list(group) for group in found.chosen(budget)], "mean_affinity": found.gain(budget)}


def _nested(tasks: Sequence[str], table: np.ndarray) -> dict[str, dict[str, float | None]]:
    return {
        row: {column: float(value) if math.isfinite(value) else None for column, value in zip(tasks, line, strict=True)}
        for row, line in zip(tasks, table, strict=True)
    }
