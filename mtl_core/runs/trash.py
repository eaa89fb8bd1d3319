"""Trash for folders of deleted runs: the transaction that deletes the rows moves the folder here, and the folder is removed after it.

A process can be killed between any two of these steps. Therefore the trash is swept when a store is opened: the folder of a run that is still in
the store is restored, any other is removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from mtl_core.errors import StoreError
from mtl_core.runs.sql.database import Database
from mtl_core.runs.sql.run_rows import is_in_store

_PREFIX = ".deleted-"


def move_to_trash(folder: Path) -> Path:
    """Move a run's folder into the trash and return its new path. A missing folder is no error.

    Raises:
        StoreError: the folder cannot be moved.
    """
    thrown = folder.with_name(f"{_PREFIX}{folder.name}")
    try:
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder, thrown)
    except OSError as error:
        raise StoreError(
            f"the run's folder '{folder}' cannot be deleted: {error.strerror or error}. "
            "Close the programs that use it and try again; the run was not deleted."
        ) from error
    return thrown


def restore_from_trash(thrown: Path) -> None:
    """Undo ``move_to_trash``. Does nothing if the folder is not there."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(thrown, thrown.with_name(thrown.name.removeprefix(_PREFIX)))


def remove(thrown: Path) -> None:
    """Delete a folder in the trash. Of a link to a folder only the link goes: what it leads to may be somebody's own."""
    if thrown.is_symlink():
        thrown.unlink(missing_ok=True)
    else:
        shutil.rmtree(thrown, ignore_errors=True)


def remove_training_state(folder: Path) -> None:
    """Delete the training states of a run's checkpoints. What can be measured or exported of the run stays."""
    for path in folder.glob("checkpoints/*/state.pt"):
        path.unlink(missing_ok=True)


def sweep(home: Path, database: Database) -> None:
    """Finish or undo interrupted deletions. On a full or read-only disk they stay for the next sweep."""
    if not any((home / "runs").glob(f"{_PREFIX}*")):
        return
    gone = []
    with contextlib.suppress(StoreError, OSError), database.write() as connection:  # the write lock excludes deletions of other processes
        for thrown in (home / "runs").glob(f"{_PREFIX}*"):
            if is_in_store(connection, thrown.name.removeprefix(_PREFIX)):
                restore_from_trash(thrown)
            else:
                gone.append(thrown)
    with contextlib.suppress(OSError):
        for thrown in gone:  # many files, so nobody waits for it with the lock
            remove(thrown)
