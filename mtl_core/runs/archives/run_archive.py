"""Archives of runs: one zip file with everything that a store holds about some runs, except what only the process that trained them may read.

    archive.json                 format, ids of the runs
    RUN/run.json                 config, state, times, what people wrote, log
    RUN/scalars.jsonl            one line for each point: step, epoch, wall_time, number of the key set, values as hexadecimal float64
    RUN/files/...                config.yaml, probe predictions, checkpoints without state.pt, evaluations

``state.pt`` is a pickle and stays behind, because nothing that a person brings is unpickled: an imported run can be read, compared, evaluated,
exported and used, not resumed or forked. Prepared images stay behind, too.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from mtl_core.atomic_files import atomic_write
from mtl_core.errors import NotPossibleError, StoreError
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.scalar_points import number_of, read_points
from mtl_core.runs.store import RunStore

FORMAT = 1
ENDINGS = (".json", ".npz", ".safetensors", ".txt", ".yaml", ".csv", ".png")  # of files that no program runs or unpickles
PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # a part of a file's path
# Columns of ``schema.runs`` that are moved. The others say which process held the run.
COLUMNS = (
    *("id", "status", "created_at", "started_at", "training_started_at", "finished_at", "step", "steps_total", "epoch", "steps_per_second"),
    *("device", "seconds_before", "resumed_step", "title", "note", "pinned", "archived", "parent_id", "parent_epoch", "parent_step"),
)
DOCUMENTS = ("config", "info", "failure", "tags")  # columns that hold JSON


def write_archive(store: RunStore, runs: Sequence[Run], path: Path, report: Callable[[Run], None] = lambda run: None) -> int:
    """Write an archive of runs that have ended. The file is whole or not there.

    Args:
        report: called before each run.

    Returns:
        The archive's size in bytes.

    Raises:
        NotPossibleError: a run has not ended, or the file exists.
        StoreError: a file cannot be read or written.
    """
    for run in runs:
        if not run.status.is_ended():
            raise NotPossibleError(f"run {run.id} ({run.name}) is {run.status}; only runs that have ended are exported. Stop it, or leave it out")
    if path.exists():
        raise NotPossibleError(f"'{path}' exists; give the name of a new file")
    try:
        with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
            archive.writestr("archive.json", json.dumps({"format": FORMAT, "runs": [run.id for run in runs]}))
            for run in runs:
                report(run)
                _write_run(store, run, archive)
        return path.stat().st_size
    except OSError as error:
        raise StoreError(f"the archive '{path}' cannot be written: {error.strerror or error}. No part of it stays.") from error


def moved_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path in the run's folder, file) of the files that an archive takes, sorted. Links are left out."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and is_moved(name):
            yield name, path


def is_moved(name: str) -> bool:
    """Whether a file of a run's folder belongs into an archive."""
    return name.endswith(ENDINGS) and len(name) < 300 and all(PART.fullmatch(part) for part in name.split("/"))


def _write_run(store: RunStore, run: Run, archive: zipfile.ZipFile) -> None:
    with store.database.read() as connection:
        row = connection.execute(select(schema.runs).where(schema.runs.c.id == run.id)).mappings().one()
        points = read_points(connection, schema.points.c.run == number_of(run.id))
    about: dict[str, Any] = {name: row[name] for name in COLUMNS} | {"status": run.status.value, "finished_at": run.finished_at}
    about |= {name: None if row[name] is None else json.loads(row[name]) for name in DOCUMENTS}
    about["log"] = [[line.time, line.level, line.text] for line in store.log(run.id)]
    numbers: dict[tuple[str, ...], int] = {}
    lines = []
    for _, point in points:
        number = numbers.setdefault(point.keys, len(numbers))
        lines.append(json.dumps([point.step, point.epoch, point.wall_time, number, point.packed().hex()]))
    about["key_sets"] = [list(keys) for keys in numbers]
    archive.writestr(f"{run.id}/run.json", json.dumps(about, ensure_ascii=False))
    archive.writestr(f"{run.id}/scalars.jsonl", "\n".join(lines))
    store.artifacts.bring(run.id, is_moved)
    folder = store.folder(run.id)
    for name, path in moved_files(folder):
        archive.write(path, f"{run.id}/files/{name}")
