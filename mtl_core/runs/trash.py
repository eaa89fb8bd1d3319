"""Folders of deleted runs: moved out of sight by the transaction that deletes the rows, and removed after it.

A process can be killed between any two of these steps, so what lies in the trash is looked at again when a store is opened: the folder of
a run that is still in the store is put back, any other is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from mtl_core.errors import StoreError
from mtl_core.runs.database import Database
from mtl_core.runs.rows import is_in_store

_PREFIX = ".deleted-"


def throw(folder: Path) -> Path:
    """Move a run's folder into the trash; where it lies there. A folder that is gone already is no error.

    Raises:
        StoreError: it cannot be moved.
    """
    thrown = folder.with_name(f"{_PREFIX}{folder.name}")
    try:
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder, thrown)
    except OSError as error:
        raise StoreError(
            f"the run's folder '{folder}' cannot be deleted: {error.strerror or error}. Close what uses it and try again; the run is still there."
        ) from error
    return thrown


def put_back(thrown: Path) -> None:
    """Undo ``throw``, if the folder lies there."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(thrown, thrown.with_name(thrown.name.removeprefix(_PREFIX)))


def remove(thrown: Path) -> None:
    """Delete a folder in the trash. Of a link to a folder only the link goes: what it leads to may be somebody's own."""
    if thrown.is_symlink():
        thrown.unlink(missing_ok=True)
    else:
        shutil.rmtree(thrown, ignore_errors=True)


def sweep(home: Path, database: Database) -> None:
    """Finish or undo deletions that were cut short. A disk that is full or read-only keeps them for the next time."""
    if not any((home / "runs").glob(f"{_PREFIX}*")):
        return
    with contextlib.suppress(StoreError, OSError), database.write() as connection:  # so not in the middle of another process's deletion
        for thrown in (home / "runs").glob(f"{_PREFIX}*"):
            if is_in_store(connection, thrown.name.removeprefix(_PREFIX)):
                put_back(thrown)
            else:
                remove(thrown)
