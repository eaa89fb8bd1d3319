"""Making, reading, extending, starting and stopping of studies."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from mtl_core.config import RunConfig
from mtl_core.config_fingerprint import fingerprint
from mtl_core.errors import ConfigError, MTLError, NotPossibleError, Problem, StoreError
from mtl_core.language import SOURCE, speaking
from mtl_core.names import title_problem
from mtl_core.registry import validated
from mtl_core.run_names import subject_of
from mtl_core.runs import actions
from mtl_core.runs.actions import LONGEST_TITLE
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.runs.study_cells import OPEN
from mtl_core.studies.study import MOST_RUNS, Study, StudySettings, check_seeds
from mtl_core.studies.study_kind import Cell

STUDY_ID = re.compile(r"study-[0-9a-f]{4,}")
STANDING_SEEDS = 5  # Student's factor is 4.30 at 3 seeds, 2.78 at 5 and 2.26 at 10

_studies, _cells, _runs = schema.studies, schema.study_runs, schema.runs


def draft(kind: str, base: RunConfig, settings: dict[str, Any], seeds: Sequence[int], title: str = "") -> Study:
    """A checked study that is not in any store.

    Args:
        settings: see ``StudySettings``.
        seeds: different seeds, 0 or more each.

    Raises:
        ConfigError: an unknown kind, options that do not fit it, seeds that are no seeds, or more than ``MOST_RUNS`` runs.
    """
    checked = validated(StudySettings, settings, "")
    check_seeds(seeds)
    settled = {key: None if getattr(base, key) == OPEN else getattr(base, key) for key in ("precision", "layout")}
    title = title.strip() or (base.name or subject_of(base)).strip()[:LONGEST_TITLE]
    if problem := title_problem(title, LONGEST_TITLE):
        raise ConfigError(Problem("title", problem))
    study = Study("", kind, title, time.time(), "new", base, checked, tuple(seeds), **settled)  # type: ignore[arg-type]
    study.check_size()
    if missing := study.part.missing(study.options):
        raise ConfigError(Problem("options", missing))
    return study


def create(store: RunStore, study: Study, request_id: str | None = None) -> Study:
    """Add a drafted study to the store; nothing is queued.

    Args:
        request_id: id of the request; a second call with the same id returns the study of the first.

    Raises:
        StoreError: the study cannot be written.
    """
    request_id = schema.request_key(request_id)
    with store.database.write() as connection:
        if request_id and (made := connection.execute(select(_studies.c.id).where(_studies.c.request_id == request_id)).scalar()):
            study_id = made
        else:
            study_id, size = "", 2
            while not study_id or connection.execute(select(_studies.c.id).where(_studies.c.id == study_id)).first():
                study_id, size = f"study-{secrets.token_hex(size)}", size + (1 if study_id else 0)
            connection.execute(
                insert(_studies).values(
                    id=study_id,
                    kind=study.kind,
                    title=study.title,
                    created_at=time.time(),
                    state="new",
                    base=schema.to_json(study.base.to_dict()),
                    settings=schema.to_json(study.settings.model_dump(mode="json")),
                    seeds=json.dumps(list(study.seeds)),
                    precision=study.precision,
                    layout=study.layout,
                    request_id=request_id,
                )
            )
    return get(store, study_id)


def get(store: RunStore, study_id: str) -> Study:
    """The study with this id, or with an id that begins so.

    Raises:
        StoreError: there is none, or several.
    """
    study_id = study_id.encode("utf-8", "replace").decode()  # bytes of a command line that are no text fit no id
    with store.database.read() as connection:
        rows = connection.execute(
            select(_studies).where(_studies.c.id.startswith(study_id, autoescape=True)).order_by(_studies.c.number.desc())
        ).all()
        known = list(connection.execute(select(_studies.c.id).order_by(_studies.c.number.desc()).limit(5)).scalars())
    exact = [row for row in rows if row.id == study_id]
    if len(exact or rows) == 1 and study_id:
        return _study_of((exact or rows)[0])
    if len(rows) > 1 and study_id:
        raise StoreError(f"'{study_id}' could be any of {', '.join(row.id for row in rows[:5])}; give more of the id")
    raise StoreError(f"no study '{study_id}'. " + (f"The newest studies are: {', '.join(known)}" if known else "There are no studies yet"))


def studies(store: RunStore) -> list[Study]:
    """All studies that this version can read, the newest first."""
    with store.database.read() as connection:
        rows = connection.execute(select(_studies).order_by(_studies.c.number.desc())).all()
    found = []
    for row in rows:
        with contextlib.suppress(ConfigError):
            found.append(_study_of(row))
    return found


def add_seeds(store: RunStore, study_id: str, more: int, had: int | None = None) -> Study:
    """Extend a study by the next ``more`` seeds after its highest. Nothing is queued.

    Args:
        had: number of seeds that the caller saw. If the study has another number by now, as after a second click, nothing is added.

    Raises:
        ConfigError: ``more`` is below 1, a seed would be too high, or the study would have more than ``MOST_RUNS`` runs.
    """
    if more < 1:
        raise ConfigError(Problem("seeds", f"expected at least one more seed, found {more}"))
    with store.database.write() as connection:
        row = connection.execute(select(_studies).where(_studies.c.id == study_id)).first()
        if row is None:
            raise StoreError(f"no study '{study_id}'")
        seeds = json.loads(row.seeds)
        if had in (None, len(seeds)):
            seeds += range(max(seeds) + 1, max(seeds) + 1 + min(more, MOST_RUNS))
            check_seeds(seeds)
            replace(_study_of(row), seeds=tuple(seeds)).check_size()
            connection.execute(update(_studies).where(_studies.c.id == study_id).values(seeds=json.dumps(seeds)))
    return get(store, study_id)


def set_band(store: RunStore, study_id: str, band: float) -> Study:
    """Change the band of equivalence of a study. No run is trained again for it."""
    study = get(store, study_id)
    settings = validated(StudySettings, study.settings.model_dump() | {"band": band}, "")
    with store.database.write() as connection:
        connection.execute(update(_studies).where(_studies.c.id == study.id).values(settings=schema.to_json(settings.model_dump(mode="json"))))
    return get(store, study.id)


def start(store: RunStore, study_id: str, retry_failed: bool = False) -> Study:
    """Queue what is missing: a run for each cell and seed that has none. Repeated calls queue nothing twice.

    A run that exists already with the same config, seed, precision and layout is taken instead, if it has not failed and the study repeats no
    other one. Stopped and interrupted runs are resumed. This starts no worker: see ``jobs.start_worker``.

    Args:
        retry_failed: resume failed runs, too.

    Raises:
        StoreError: a run cannot be written; a second call goes on.
    """
    study = get(store, study_id)
    with store.database.write() as connection:
        connection.execute(update(_studies).where(_studies.c.id == study.id).values(state="running"))
    study = _queue_missing(store, study)
    again = {RunStatus.STOPPED, RunStatus.INTERRUPTED} | ({RunStatus.FAILED} if retry_failed else set())
    for run_id in run_ids(store, study.id).values():
        run = store.find(run_id)
        if run and run.status in again:
            with contextlib.suppress(NotPossibleError):
                resume(store, run_id)
    return get(store, study.id)


def add_point(store: RunStore, study: Study, weights: Sequence[float]) -> bool:
    """Add a cell with these loss weights to a study that searches weights, and queue its runs.

    Returns False, and does nothing, if the study has other cells by now: another process was faster.
    """
    same = (_studies.c.id == study.id, _studies.c.settings == schema.to_json(study.settings.model_dump(mode="json")))
    settings = study.settings.model_copy(update={"options": {**study.settings.options, "points": [*study.options.points, list(weights)]}})
    with store.database.write() as connection:
        written = connection.execute(update(_studies).where(*same).values(settings=schema.to_json(settings.model_dump(mode="json"))))
        if not written.rowcount:
            return False
    _queue_missing(store, get(store, study.id))
    return True


def _queue_missing(store: RunStore, study: Study) -> Study:
    """Take or queue a run for each cell and seed that has none. Names of runs are kept, so they are in English whoever clicks."""
    with speaking(SOURCE):
        return _queue_cells(store, get(store, study.id))


def _queue_cells(store: RunStore, study: Study) -> Study:
    linked, existing = run_ids(store, study.id), existing_runs(store, study)
    for seed in study.seeds:  # all cells of a seed first: a verdict needs pairs
        for cell in study.cells:
            if (cell.key, seed) in linked:
                continue
            study = get(store, study.id)  # another process may have settled its precision
            found = match(study, cell, existing.get((fingerprint(cell.config), seed), []))
            if found is not None:
                _take(store, study, cell, seed, found)
            else:
                _queue(store, study, cell, seed)
    return study


def stop(store: RunStore, study_id: str) -> Study:
    """Stop all of its runs that have not ended; queued ones first. ``start`` goes on with it."""
    study = get(store, study_id)
    with store.database.write() as connection:
        connection.execute(update(_studies).where(_studies.c.id == study.id).values(state="stopped"))
    going = [run for run in runs_of(store, study).values() if not run.status.is_ended()]
    for run in sorted(going, key=lambda run: run.status != RunStatus.QUEUED):
        with contextlib.suppress(MTLError):
            actions.stop(store, run.id)
    return get(store, study.id)


def forget(store: RunStore, study_id: str) -> None:
    """Delete a study. Its runs stay."""
    study = get(store, study_id)
    with store.database.write() as connection:
        connection.execute(delete(_cells).where(_cells.c.study_id == study.id))
        connection.execute(delete(_studies).where(_studies.c.id == study.id))


def run_ids(store: RunStore, study_id: str) -> dict[tuple[str, int], str]:
    """(cell key, seed) -> run id."""
    with store.database.read() as connection:
        rows = connection.execute(select(_cells).where(_cells.c.study_id == study_id)).all()
    return {(row.cell, row.seed): row.run_id for row in rows}


def trained_for_studies(store: RunStore) -> set[str]:
    """Ids of the runs that studies made; not of those that existed before and were taken."""
    with store.database.read() as connection:
        return set(connection.execute(select(_cells.c.run_id).where(_cells.c.is_reused == 0).distinct()).scalars())


def runs_of(store: RunStore, study: Study) -> dict[tuple[str, int], Run]:
    """(cell key, seed) -> run, for the runs that there are."""
    places = {run_id: place for place, run_id in run_ids(store, study.id).items()}
    return {places[run.id]: run for run in store.several(list(places))}


def is_going(store: RunStore, study: Study) -> bool:
    """Whether one of its runs is queued or active, or more cells are to be proposed."""
    if study.state == "running" and study.cells_to_come:
        return True
    with store.database.read() as connection:
        joined = _cells.join(_runs, _runs.c.id == _cells.c.run_id)
        statuses = connection.execute(select(_runs.c.status).select_from(joined).where(_cells.c.study_id == study.id).distinct()).scalars().all()
    return any(not RunStatus(status).is_ended() for status in statuses)


def _study_of(row: Any) -> Study:
    return Study(
        **{key: getattr(row, key) for key in ("id", "kind", "title", "created_at", "state", "precision", "layout")},
        base=RunConfig.from_stored(json.loads(row.base)),
        settings=validated(StudySettings, json.loads(row.settings), ""),  # type: ignore[arg-type]
        seeds=tuple(json.loads(row.seeds)),
    )


def existing_runs(store: RunStore, study: Study) -> dict[tuple[str, int], list[Run]]:
    """(fingerprint, seed) -> runs of the store that may serve as a cell of the study, finished ones first; none for one that repeats another.

    Not a fork, whose beginning had other settings, and not one that was trained on, whose learning rate jumped.
    """
    if study.settings.repeats:
        return {}
    known = [run for run in reversed(store.of_fingerprints({fingerprint(cell.config) for cell in study.cells})) if run.parent is None]
    with store.database.read() as connection:
        log = schema.log
        lines = select(log.c.run_id).where(log.c.run_id.in_([run.id for run in known]), log.c.text.startswith("trained on to "))
        lengthened = set(connection.execute(lines).scalars())
    found: dict[tuple[str, int], list[Run]] = {}
    for run in known:
        if run.status != RunStatus.FAILED and run.id not in lengthened:
            found.setdefault((fingerprint(run.config), run.config.seed), []).append(run)
    return {key: sorted(runs, key=lambda run: run.status != RunStatus.FINISHED) for key, runs in found.items()}


def match(study: Study, cell: Cell, candidates: Sequence[Run]) -> Run | None:
    """The first candidate that measures the cell in the study's precision and layout; while they are open, the first whose own are known."""
    wanted = {"precision": study.precision, "layout": study.layout}
    for run in candidates:
        is_alike = all(run.computed[key] != OPEN and value in (None, run.computed[key]) for key, value in wanted.items())
        if is_alike and cell.is_measured_by(run.config):
            return run
    return None


def _take(store: RunStore, study: Study, cell: Cell, seed: int, run: Run) -> None:
    """Make an existing run the run of a cell. If precision and layout are open, its own are those of the study from now on."""
    settled = {key: run.computed[key] for key in ("precision", "layout")}
    with store.database.write() as connection:
        now = connection.execute(select(_studies).where(_studies.c.id == study.id)).one()
        if any(getattr(now, key) not in (None, settled[key]) for key in settled):
            return  # another process has settled them otherwise: the next ``start`` queues a run
        connection.execute(update(_studies).where(_studies.c.id == study.id).values(**settled))
        _link(study.id, cell.key, seed, is_reused=True)(connection, run.id)
    store.note(run.id, "info", f"serves {study.id} as '{cell.label}', seed {seed}")


def _queue(store: RunStore, study: Study, cell: Cell, seed: int) -> None:
    request = f"{study.id}.{schema.digest_of(f'{study.id} {cell.key} {seed}')[:40]}"[:64]
    store.create(study.config_of(cell, seed), request_id=request, line=f"queued by {study.id}", link=_link(study.id, cell.key, seed))


def _link(study_id: str, cell: str, seed: int, is_reused: bool = False) -> Callable[[Connection, str], None]:
    """Write that a run is the run of a cell. The first one stays."""

    def write(connection: Connection, run_id: str) -> None:
        same = (_cells.c.study_id == study_id, _cells.c.cell_digest == schema.digest_of(cell), _cells.c.seed == seed)
        if connection.execute(select(_cells.c.run_id).where(*same)).first() is None:
            connection.execute(insert(_cells).values(study_id=study_id, cell=cell, seed=seed, run_id=run_id, is_reused=int(is_reused)))

    return write


def stage(store: RunStore, study: Study) -> tuple[str, int]:
    """How a study stands, for people, and how many of its runs have finished: its state, but ``finished`` once every run has."""
    with store.database.read() as connection:
        joined = _cells.join(_runs, _runs.c.id == _cells.c.run_id)
        rows = connection.execute(select(_cells.c.seed, _runs.c.status).select_from(joined).where(_cells.c.study_id == study.id)).all()
    finished = sum(row.status == RunStatus.FINISHED.value for row in rows if row.seed in study.seeds)
    return stage_of(study.state, finished, study.planned_runs), finished


def stage_of(state: str, finished: int, planned: int) -> str:
    """The state of a study, but ``finished`` once every planned run has."""
    return "finished" if finished == planned else state
