"""Folders of runs that are just being made: a mark beside each says which process makes it, so that a killed one's folder can be told and removed.

A run's folder is filled before its row is written (nobody may see a run without its files), so a process that is killed between the two leaves a
folder that belongs to no run. The mark is an empty file whose name says everything: it exists whole or not at all. A folder without one is never
touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from mtl_core.errors import StoreError
from mtl_core.runs.database import Database
from mtl_core.runs.owner import is_gone, owner_in_name
from mtl_core.runs.rows import is_in_store

_PREFIX = ".making-"
_MARK = re.compile(rf"{re.escape(_PREFIX)}(?P<run>\d{{8}}-\d{{6}}-[0-9a-f]{{4}})-(?P<owner>.+)")


def begin(folder: Path) -> Path:
    """Make a run's folder with its mark; the mark.

    Raises:
        FileExistsError: there is such a folder, or one is being made.
        OSError: it cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        folder.parent.mkdir(parents=True)
    mark = folder.with_name(f"{_PREFIX}{folder.name}-{owner_in_name()}")
    os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    try:
        folder.mkdir()
    except BaseException:
        finish(mark)
        raise
    return mark


def finish(mark: Path, removed: Path | None = None) -> None:
    """Take the mark away: the run is in the store, or the folder ``removed`` is really gone."""
    if removed is None or not removed.exists():
        with contextlib.suppress(OSError):
            mark.unlink()


def sweep_unfinished(home: Path, database: Database) -> None:
    """Remove what processes that are gone had begun to make. Those of other hosts, which cannot be seen from here, are left for these to sweep."""
    marks = [path for path in (home / "runs").glob(f"{_PREFIX}*") if _is_left_over(path)]
    if not marks:
        return
    with contextlib.suppress(StoreError, OSError), database.write() as connection:
        for mark in marks:
            folder = mark.with_name(_MARK.fullmatch(mark.name)["run"])
            if is_in_store(connection, folder.name):  # killed after the row was written: a run like any other
                finish(mark)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                finish(mark, folder)


def _is_left_over(mark: Path) -> bool:
    found = _MARK.fullmatch(mark.name)
    return bool(found) and is_gone(found["owner"])
