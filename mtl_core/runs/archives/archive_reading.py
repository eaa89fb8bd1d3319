"""Reading of archives of runs. An archive comes from outside: every name, number and size in it is checked, and nothing in it is run or unpickled."""

from __future__ import annotations

import json
import math
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from sqlalchemy import Connection, insert, select

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, DataError, RunNotFoundError
from mtl_core.names import title_problem
from mtl_core.refused_values import refusal
from mtl_core.runs.actions import LONGEST_NOTE, LONGEST_TAG, LONGEST_TITLE
from mtl_core.runs.archives.run_archive import COLUMNS, DOCUMENTS, FORMAT, is_moved
from mtl_core.runs.failures import Facts
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.result_rows import compute_results
from mtl_core.runs.sql.run_rows import is_in_store
from mtl_core.runs.sql.scalar_points import Point, number_of, unpacked, write_points
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

MOST_ENTRIES = 500_000
MOST_TEXT = 512 * 2**20  # bytes of run.json or scalars.jsonl
MOST_RATIO = 200  # of a file's size to its packed size, from 1 MB on
KEPT_FREE = 0.1  # share of the free space that an import leaves
Count = Annotated[int, Field(ge=0, lt=2**53)]


class _Metric(BaseModel):
    model_config = ConfigDict(extra="allow")
    higher_is_better: bool | None = None
    title: str = ""
    unit: str = ""


class _Task(BaseModel):
    model_config = ConfigDict(extra="allow")
    main_metric: str
    metrics: dict[str, _Metric]


class _Info(BaseModel):
    model_config = ConfigDict(extra="allow")
    tasks: dict[str, _Task] = {}


class _Failure(BaseModel):
    kind: str
    message: str
    cure: str
    facts: Facts | None = None
    trace: str = ""


class _ArchivedRun(BaseModel):
    """What run.json holds. Times in seconds since 1970."""

    model_config = ConfigDict(extra="forbid")
    id: str
    status: RunStatus
    config: dict[str, Any]
    info: _Info
    failure: _Failure | None
    created_at: FiniteFloat
    started_at: FiniteFloat | None
    training_started_at: FiniteFloat | None
    finished_at: FiniteFloat | None
    step: Count
    steps_total: Count | None
    epoch: FiniteFloat
    steps_per_second: FiniteFloat | None
    device: Annotated[str, Field(max_length=32)] | None
    seconds_before: FiniteFloat
    resumed_step: Count
    title: str | None
    note: Annotated[str, Field(max_length=LONGEST_NOTE)]
    tags: list[Annotated[str, Field(max_length=LONGEST_TAG)]]
    pinned: Annotated[int, Field(ge=0, le=1)]
    archived: Annotated[int, Field(ge=0, le=1)]
    parent_id: Annotated[str, Field(max_length=64)] | None
    parent_epoch: Count | None
    parent_step: Count | None
    log: list[tuple[FiniteFloat, Annotated[str, Field(max_length=16)], str]]
    key_sets: list[list[Annotated[str, Field(max_length=255)]]]


def read_archive(store: RunStore, path: Path, report: Callable[[str], None] = lambda run_id: None) -> tuple[list[str], list[str]]:
    """Take the runs of an archive into a store. Each run comes whole or not at all; a run that is there already is left as it is.

    Args:
        report: called with the id of each run before it is taken in.

    Returns:
        Ids of the runs that were taken in, and of those that were there.

    Raises:
        DataError: the file is no archive of runs, is damaged, or holds what no archive holds. Runs before the faulty one stay.
        StoreError: the store cannot be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _checked_entries(archive, path, store.home)
            ids = _ids(archive, path)
            strange = {name.partition("/")[0] for name in entries} - {"archive.json", *ids}
            if strange:
                raise DataError(f"'{path}' holds '{sorted(strange)[0]}', which belongs to none of its runs. Nothing was imported.")
            taken, there = [], []
            for run_id in ids:
                with store.database.read() as connection:
                    is_there = is_in_store(connection, run_id)
                if is_there:
                    there.append(run_id)
                    continue
                report(run_id)
                _take(store, archive, path, run_id, entries)
                taken.append(run_id)
            return taken, there
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"'{path}' is no archive of runs, or is damaged ({error}). Export the runs again.") from error
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}") from error


def _checked_entries(archive: zipfile.ZipFile, path: Path, home: Path) -> dict[str, zipfile.ZipInfo]:
    """Name -> entry. Refuses what an archive never holds, before anything is unpacked."""
    every = archive.infolist()
    if len(every) > MOST_ENTRIES:
        raise DataError(f"'{path}' holds {len(every):,} entries; at most {MOST_ENTRIES:,} are read. Export fewer runs at once.")
    for entry in every:
        run, _, rest = entry.filename.partition("/")
        kind, _, name = rest.partition("/")
        is_ours = entry.filename == "archive.json" or rest in ("run.json", "scalars.jsonl") or (kind == "files" and is_moved(name))
        if not run or not is_ours or stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(f"'{path}' holds '{entry.filename[:100]}', which no archive of runs holds. Nothing was imported.")
        if entry.file_size > max(2**20, MOST_RATIO * max(entry.compress_size, 1)):
            raise DataError(f"'{entry.filename}' in '{path}' is packed more than {MOST_RATIO}:1, as no run's file is. Nothing was imported.")
    found = {entry.filename: entry for entry in every}
    if len(found) < len(every):
        raise DataError(f"'{path}' holds a file twice. Nothing was imported.")
    total, free = sum(entry.file_size for entry in every), shutil.disk_usage(home).free
    if total > (1 - KEPT_FREE) * free:
        raise DataError(f"the runs in '{path}' take {total / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free. Free some space. Nothing was imported.")
    return found


def _ids(archive: zipfile.ZipFile, path: Path) -> list[str]:
    try:
        about = json.loads(archive.read("archive.json")[:MOST_TEXT])
        written, ids = about["format"], about["runs"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise DataError(f"'{path}' is a zip file, but no archive of runs. 'runs export' writes them.") from None
    if not isinstance(written, int) or written > FORMAT:
        raise DataError(f"'{path}' was written by a newer version of the program (format {written}). Update the program.")
    if not isinstance(ids, list) or not all(isinstance(run_id, str) for run_id in ids):
        raise DataError(f"'{path}' names no runs; expected a list of run ids in archive.json.")
    return ids


def _take(store: RunStore, archive: zipfile.ZipFile, path: Path, run_id: str, entries: dict[str, zipfile.ZipInfo]) -> None:
    where = f"run '{run_id[:40]}' in '{path}'"
    try:
        store.place(run_id)  # refuses what is no run id
        about = _ArchivedRun.model_validate_json(_text(archive, entries, f"{run_id}/run.json", where))
        config = RunConfig.from_stored(about.config)
        points = _points(_text(archive, entries, f"{run_id}/scalars.jsonl", where), about.key_sets)
    except RunNotFoundError as error:
        raise DataError(f"{where}: {error}") from None
    except ConfigError as error:
        raise DataError(f"{where} has a config that this version cannot read: {error}") from None
    except (ValidationError, ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise DataError(f"{where} cannot be read: {_reason(error)}. Runs before it were imported.") from None
    if about.id != run_id or not about.status.is_ended() or (about.title and title_problem(about.title, LONGEST_TITLE)):
        raise DataError(f"{where} has an id, a state or a name that no exported run has. Runs before it were imported.")
    for task in about.info.tasks.values():
        if task.main_metric not in task.metrics:
            raise DataError(f"{where} has a task without its main metric '{task.main_metric[:40]}'. Runs before it were imported.")
    values = about.model_dump(mode="json")
    columns = {name: values[name] for name in COLUMNS if name != "id"}
    columns |= {name: None if values[name] is None else schema.to_json(values[name]) for name in DOCUMENTS if name != "config"}

    def fill(folder: Path) -> None:
        prefix = f"{run_id}/files/"
        for name, entry in entries.items():
            if name.startswith(prefix):
                target = folder / name.removeprefix(prefix)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)

    def link(connection: Connection, run_id: str) -> None:
        number = connection.execute(select(number_of(run_id))).scalar_one()
        write_points(connection, number, points)
        compute_results(connection, number, values["info"])
        lines = [{"run_id": run_id, "time": time, "level": level, "text": text} for time, level, text in about.log]
        if lines:
            connection.execute(insert(schema.log), lines)

    store.create(config, run_id=run_id, columns=columns, line="imported from an archive", fill=fill, link=link)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {refusal(each)}" for each in error.errors()[:3])
    return str(error)


def _text(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], name: str, where: str) -> str:
    entry = entries.get(name)
    if entry is None or entry.file_size > MOST_TEXT:
        raise ValueError(f"{name.partition('/')[2]} is missing or too long")
    return archive.read(entry).decode("utf-8")


def _points(text: str, key_sets: list[list[str]]) -> list[Point]:
    found = []
    for line in text.splitlines():
        step, epoch, wall_time, number, packed = json.loads(line)
        keys, values = tuple(key_sets[number]), unpacked(bytes.fromhex(packed))
        is_sound = isinstance(step, int) and 0 <= step < 2**53 and math.isfinite(epoch) and math.isfinite(wall_time)
        if not is_sound or len(keys) != len(values) or len(set(keys)) != len(keys) or not keys or number < 0:
            raise ValueError("scalars.jsonl has a line that is no point")
        found.append(Point(step, float(epoch), float(wall_time), keys, values))
    return found
