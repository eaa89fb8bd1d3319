"""Search of loss weights with Optuna: each trial is a cell of a study, proposed from the results of the trials before it (ask and tell).

The study's row holds the weights of every trial, and its runs hold the results. A sampler is made anew for each proposal and told all results, so
nothing of Optuna is stored, and a proposal depends on nothing but the seed and the results. A search that was killed proposes the same points when
it resumes.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Sequence

import numpy as np
from sqlalchemy import select

from mtl_core.errors import MTLError, NotPossibleError
from mtl_core.runs import study_cells
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.studies import study_actions
from mtl_core.studies.answer import answer_of
from mtl_core.studies.kinds.weights import missing_package
from mtl_core.studies.study import Study

STARTUP = 5  # trials drawn at random before the sampler learns from results; the first one, equal weights, counts
Trial = tuple[Sequence[float], Sequence[float] | None]  # loss weights (T,), and the tasks' values; None for a trial without results


def propose(told: Sequence[Trial], higher_is_better: Sequence[bool], widest: float, seed: int) -> tuple[float, ...]:
    """The next loss weights (T,), mean 1, from the results so far, by Optuna's tree-structured Parzen estimator for several objectives.

    What is searched are the weights' ratios to the first task's, between 1 / ``widest`` and ``widest``, on a logarithmic scale (Watanabe 2023,
    https://arxiv.org/abs/2304.11127, describes the sampler).

    Args:
        told: trials in their order, at least one.
        higher_is_better: of each task's metric.
        seed: with the number of trials it makes the sampler's seed.

    Raises:
        NotPossibleError: Optuna is not installed.
    """
    if missing := missing_package():
        raise NotPossibleError(missing)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    count = len(told[0][0])
    ranges: dict[str, optuna.distributions.BaseDistribution] = {
        f"ratio {place}": optuna.distributions.FloatDistribution(1 / widest, widest, log=True) for place in range(1, count)
    }
    seed_now = int(np.random.SeedSequence([seed, len(told)]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=seed_now, n_startup_trials=STARTUP)
        search = optuna.create_study(directions=["maximize" if up else "minimize" for up in higher_is_better], sampler=sampler)
        for weights, values in told:
            ratios = {name: min(max(weight / weights[0], 1 / widest), widest) for name, weight in zip(ranges, weights[1:], strict=True)}
            state = optuna.trial.TrialState.FAIL if values is None else optuna.trial.TrialState.COMPLETE
            search.add_trial(optuna.trial.create_trial(params=ratios, distributions=ranges, values=values, state=state))
        asked = search.ask(ranges).params
    ratios = np.array([1.0, *(asked[name] for name in ranges)])
    return tuple(float(f"{weight:.4g}") for weight in ratios * count / ratios.sum())


def trials_of(store: RunStore, study: Study) -> tuple[list[Trial], list[bool]]:
    """The study's trials with their results, means over the seeds, and the metrics' directions. A trial needs every seed."""
    answer = answer_of(store, study)
    metrics = [answer.metrics.get(task) for task in study.base.tasks]
    told: list[Trial] = []
    for cell in study.cells:
        spreads = [answer.spreads.get(cell.key, {}).get(task) for task in study.base.tasks]
        is_whole = all(spread is not None and spread.n == len(study.seeds) and np.isfinite(spread.mean) for spread in spreads)
        told.append((cell.weights or (), [spread.mean for spread in spreads if spread] if is_whole else None))
    return told, [metric is None or metric.higher_is_better for metric in metrics]


def queue_next_trial(store: RunStore, study_id: str) -> bool:
    """Propose and queue the next trial of a running study whose runs have all ended. Returns whether one was added.

    Raises:
        NotPossibleError: Optuna is not installed.
    """
    study = study_actions.get(store, study_id)
    if study.state != "running" or not study.cells_to_come:
        return False
    runs = study_actions.runs_of(store, study)
    places = [(cell.key, seed) for cell in study.cells for seed in study.seeds]
    if any(place not in runs or not runs[place].status.is_ended() or runs[place].status == RunStatus.INTERRUPTED for place in places):
        return False  # an interrupted run is resumed first
    told, directions = trials_of(store, study)
    if all(values is None for _, values in told):
        return False  # no trial has a result, so there is nothing to propose from; the page shows the failures
    weights = propose(told, directions, study.options.widest, study.options.sampler_seed)
    return study_actions.add_point(store, study, weights)


def queue_next_trials(store: RunStore) -> None:
    """``queue_next_trial`` for each running study of the store. If a study cannot continue, its page says why."""
    for study_id in _running_searches(store):
        with contextlib.suppress(MTLError):
            queue_next_trial(store, study_id)


def _running_searches(store: RunStore) -> list[str]:
    """Ids of the studies that may propose trials. The queue asks every few seconds, so that no study is read for it."""
    studies = schema.studies
    wanted = select(studies.c.id).where(studies.c.state == "running", studies.c.settings.contains('"search"'))
    with store.database.read() as connection:
        return list(connection.execute(wanted).scalars())


def searches_on(store: RunStore, name: str) -> list[str]:
    """Titles of the running studies that will still make runs on an imported set."""
    found = []
    for study_id in _running_searches(store):
        with contextlib.suppress(MTLError):  # another version of the program wrote it
            study = study_actions.get(store, study_id)
            if study.base.imported_set == name and study.cells_to_come:
                found.append(study.title)
    return found


def follow_queue() -> None:
    """Let this process's queue propose trials when runs have ended."""
    study_cells.FOLLOW_UPS["weight search"] = queue_next_trials
