"""Marks beside the folders of runs that are being created; a mark names the creating process, so that leftovers of a killed process can be removed.

A run's folder is filled before its row is written, so that no reader sees a run without its files. A process that is killed between the two leaves
a folder without a run. The mark is an empty file with all data in its name, so it is never half written. A folder without a mark is never removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from mtl_core.errors import StoreError
from mtl_core.runs.process_identity import is_gone, owner_in_name
from mtl_core.runs.sql.database import Database
from mtl_core.runs.sql.run_rows import is_in_store

_PREFIX = ".making-"
_MARK = re.compile(rf"{re.escape(_PREFIX)}(?P<run>\d{{8}}-\d{{6}}-[0-9a-f]{{4}})-(?P<owner>.+)")


def make_marked_folder(folder: Path) -> Path:
    """Create a run's folder and its mark. Returns the mark's path.

    Raises:
        FileExistsError: the folder or its mark exists.
        OSError: the folder or its mark cannot be created.
    """
    with contextlib.suppress(FileExistsError):
        folder.parent.mkdir(parents=True)
    mark = folder.with_name(f"{_PREFIX}{folder.name}-{owner_in_name()}")
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    try:
        folder.mkdir()
    except BaseException:
        remove_mark(mark)
        raise
    return mark


def remove_mark(mark: Path, removed: Path | None = None) -> None:
    """Remove the mark after the run is in the store, or after the folder ``removed`` was removed. Keeps it while ``removed`` exists."""
    if removed is None or not removed.exists():
        with contextlib.suppress(OSError):
            mark.unlink()


def sweep_unfinished(home: Path, database: Database) -> None:
    """Remove unfinished folders of processes that have ended. Folders of other hosts stay, because their processes are not visible from here."""
    marks = [path for path in (home / "runs").glob(f"{_PREFIX}*") if _is_left_over(path)]
    if not marks:
        return
    with contextlib.suppress(StoreError, OSError), database.write() as connection:
        for mark in marks:
            named = _MARK.fullmatch(mark.name)
            assert named is not None  # see ``_is_left_over``
            folder = mark.with_name(named["run"])
            if is_in_store(connection, folder.name):  # the process was killed after it wrote the row: the run is complete
                remove_mark(mark)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                remove_mark(mark, folder)


def _is_left_over(mark: Path) -> bool:
    found = _MARK.fullmatch(mark.name)
    return bool(found) and is_gone(found["owner"])
