"""What the queue knows of studies: which runs belong to one, their common precision, and the resumption of runs whose process is gone.

``mtl_core.studies`` makes studies and reads their answers. The queue and the executor need only this module.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Row, select, update

from mtl_core.atomic_files import write_text
from mtl_core.config import RunConfig
from mtl_core.errors import MTLError
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.run_facts import write_facts
from mtl_core.runs.status import ACTIVE, RunStatus
from mtl_core.runs.store import RunStore

MOST_RESUMPTIONS = 3  # of one run by its study: a run that ends its process each time would be tried for ever
OPEN = "auto"
FOLLOW_UPS: dict[str, Callable[[RunStore], None]] = {}  # called by the queue between runs; a higher layer enters what studies want to do then

_studies, _cells, _runs = schema.studies, schema.study_runs, schema.runs


@dataclass(frozen=True)
class CellState:
    """How a run of a study stands. Two equal states have the same results.

    Attributes:
        finished_at, last_row: of a run that has finished, when, and how many rows of values it has; else None.
    """

    cell: str
    seed: int
    run_id: str
    status: str
    finished_at: float | None
    last_row: int | None


def states_of_cells(store: RunStore) -> dict[str, tuple[CellState, ...]]:
    """Study -> the states of its runs, of all studies in one query."""
    columns = (_cells.c.study_id, _cells.c.cell, _cells.c.seed, _cells.c.run_id, _runs.c.status, _runs.c.finished_at, _runs.c.last_row)
    query = select(*columns).select_from(_cells.join(_runs, _runs.c.id == _cells.c.run_id)).order_by(_cells.c.study_id, _runs.c.number)
    found: dict[str, list[CellState]] = {}
    with store.database.read() as connection:
        for study_id, cell, seed, run_id, status, finished_at, last_row in connection.execute(query):
            done = (finished_at, last_row) if status == RunStatus.FINISHED.value else (None, None)
            found.setdefault(study_id, []).append(CellState(cell, seed, run_id, status, *done))
    return {study_id: tuple(states) for study_id, states in found.items()}


def settle(store: RunStore, run_id: str, precision: str, layout: str) -> tuple[str, str]:
    """Precision and layout for a run whose config has ``auto`` for one of them: equal for all runs of its study.

    The first run that has measured decides; the result is written into the study and into the configs of its runs that are ``auto``. Reading and
    writing are one transaction. A run of no study keeps the values.

    Args:
        precision, layout: the values measured for this run.
    """
    with store.database.write() as connection:
        study = connection.execute(select(_studies).join(_cells, _cells.c.study_id == _studies.c.id).where(_cells.c.run_id == run_id)).first()
        if study is None:
            return precision, layout
        settled = {"precision": study.precision or precision, "layout": study.layout or layout}
        connection.execute(update(_studies).where(_studies.c.id == study.id).values(**settled))
        rows = connection.execute(select(_runs.c.id, _runs.c.config).join(_cells, _cells.c.run_id == _runs.c.id).where(_cells.c.study_id == study.id))
        written = {}
        for row in rows.all():
            config = json.loads(row.config)
            left = {key: value for key, value in settled.items() if config.get(key, OPEN) == OPEN}
            if left:
                written[row.id] = config | left
                connection.execute(update(_runs).where(_runs.c.id == row.id).values(config=schema.to_json(config | left)))
                write_facts(connection, row.id)
        own = written.get(run_id) or json.loads(connection.execute(select(_runs.c.config).where(_runs.c.id == run_id)).scalar_one())
    for each, config in written.items():
        with contextlib.suppress(OSError):  # a copy for people; the run may be deleted at this moment
            write_text(store.place(each) / "config.yaml", RunConfig.from_stored(config).to_yaml())
    if written:
        store.note(run_id, "info", f"all runs of {study.id} are computed in {settled['precision']}, {settled['layout']}")
    return own["precision"], own["layout"]


def resume_interrupted(store: RunStore) -> list[str]:
    """Resume the runs of running studies whose process is gone. Returns their ids.

    A run that was stopped by a person or that failed stays as it is. A run is resumed at most ``MOST_RESUMPTIONS`` times.
    """
    resumed = []
    for row in _unattended(store):
        if store.get(row.run_id).status != RunStatus.INTERRUPTED:  # ``get`` notices that a process is gone
            continue
        with contextlib.suppress(MTLError):  # another process has resumed it, or it was deleted
            resume(store, row.run_id)
            same = (_cells.c.study_id == row.study_id, _cells.c.run_id == row.run_id)
            with store.database.write() as connection:
                connection.execute(update(_cells).where(*same).values(resumptions=_cells.c.resumptions + 1))
            resumed.append(row.run_id)
    return resumed


def to_resume(store: RunStore) -> set[str]:
    """Ids of the interrupted runs that ``resume_interrupted`` will queue again, and of the held ones that it would if they were interrupted."""
    return {row.run_id for row in _unattended(store)}


def _unattended(store: RunStore) -> list[Row]:
    """The cells of running studies whose run is held, or was left by its process."""
    wanted = (_studies.c.state == "running", _cells.c.resumptions < MOST_RESUMPTIONS, _runs.c.status.in_([*ACTIVE, RunStatus.INTERRUPTED.value]))
    joined = _cells.join(_studies, _studies.c.id == _cells.c.study_id).join(_runs, _runs.c.id == _cells.c.run_id)
    with store.database.read() as connection:
        return list(connection.execute(select(_cells.c.study_id, _cells.c.run_id).select_from(joined).where(*wanted)))
