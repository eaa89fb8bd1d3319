"""How many runs a study has left and how long they take, from runs of the same sort in the store. An estimate, and said to be one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median

from mtl_core.config_fingerprint import fingerprint
from mtl_core.language import tr
from mtl_core.runs.method_race import relative_cost
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.studies.study import Study
from mtl_core.studies.study_actions import existing_runs, match, run_ids
from mtl_core.studies.study_kind import Cell

ALIKE = ("data", "backbone", "batch_size", "device")


@dataclass(frozen=True)
class Estimate:
    """Work that a study has left.

    Attributes:
        runs: cells times seeds. ``existing``: those that are there or will be taken from the store, finished or not.
        seconds: of the runs that are to be made, one after another; None if no finished run of the store is like one of its cells.
        basis: where ``seconds`` comes from, for people.
    """

    runs: int
    existing: int
    seconds: float | None
    basis: str


def estimate(store: RunStore, study: Study) -> Estimate:
    """Count and time the runs of a study, drafted or started."""
    linked = run_ids(store, study.id) if study.id else {}
    has_finished = schema.runs.c.status == RunStatus.FINISHED.value
    every = [run for name in {cell.config.data.own_name for cell in study.cells} for run in store.on_data(name, has_finished)]
    known = existing_runs(store, study)
    places = [(cell, seed) for seed in study.seeds for cell in study.cells]  # as ``study_actions.start`` goes through them
    now, left = study, []
    for cell, seed in places:
        if (cell.key, seed) in linked:
            continue
        found = match(now, cell, known.get((fingerprint(cell.config), seed), []))
        if found is None:
            left.append((cell, seed))
        else:
            now = replace(now, precision=found.computed["precision"], layout=found.computed["layout"])  # the first one that is taken settles them
    total = study.planned_runs
    to_come = total - len(places)
    if not left and not to_come:
        return Estimate(total, total, 0.0, tr("every run is there"))
    last = study.cells[-1]  # cells that are not known yet take as long
    times = {cell.key: _seconds(cell, every) for cell in {cell.key: cell for cell in [*(cell for cell, _ in left), last]}.values()}
    if any(seconds is None for seconds in times.values()):
        basis = tr(
            "no run with these data, this network, batch size and device has finished here, so the time is not known before the first run has ended"
        )
        return Estimate(total, len(places) - len(left), None, basis)
    seconds = sum(times[cell.key] or 0.0 for cell, _ in left) + to_come * (times[last.key] or 0.0)
    basis = tr("from finished runs of the same data and network here, by epochs and method; one after another")
    return Estimate(total, len(places) - len(left), seconds, basis)


@dataclass(frozen=True)
class WorkLeft:
    """What the runs of a study that wait or train still have to do.

    Attributes:
        begun: share of one run that the training runs have done together.
        seconds: until the last of them has ended, one after another; None until a run like them has ended or trained for a while.
    """

    begun: float
    seconds: float | None


def work_left(store: RunStore, study: Study) -> WorkLeft:
    """The work of a study's runs: from those of them that have finished, else from the pace of those that train, else from others alike."""
    linked = run_ids(store, study.id)
    own = store.several(list(linked.values()))
    finished = [run for run in own if run.status == RunStatus.FINISHED]
    runs = {run.id: run for run in own if not run.status.is_ended()}
    has_finished = schema.runs.c.status == RunStatus.FINISHED.value
    every = [run for name in {cell.config.data.own_name for cell in study.cells} for run in store.on_data(name, has_finished)]
    cells = {cell.key: cell for cell in study.cells}
    going = [(runs[run_id], cells[key]) for (key, _), run_id in linked.items() if run_id in runs]
    pace = [
        (run.eta_seconds / (1 - run.progress)) / (cell.config.epochs * relative_cost(cell.config.balancing))
        for run, cell in going
        if run.eta_seconds is not None and run.progress < 1
    ]
    seconds = 0.0
    for run, cell in going:
        whole = _seconds(cell, finished)
        if whole is None:
            whole = median(pace) * cell.config.epochs * relative_cost(cell.config.balancing) if pace else _seconds(cell, every)
        left = run.eta_seconds if run.eta_seconds is not None else None if whole is None else whole * (1 - run.progress)
        if left is None:
            return WorkLeft(sum(each.progress for each in runs.values()), None)
        seconds += left
    return WorkLeft(sum(each.progress for each in runs.values()), seconds)


def _seconds(cell: Cell, finished: list[Run]) -> float | None:
    """Median over runs alike, per epoch and relative cost. A run with as many tasks counts before others."""
    ours = cell.config.to_dict()
    alike = [run for run in finished if run.seconds > 0 and all(run.config.to_dict()[key] == ours[key] for key in ALIKE)]
    near = [run for run in alike if len(run.config.tasks) == len(cell.config.tasks)] or alike
    if not near:
        return None
    per_epoch = median(run.seconds / run.epochs / relative_cost(run.config.balancing) for run in near)
    return per_epoch * cell.config.epochs * relative_cost(cell.config.balancing)
