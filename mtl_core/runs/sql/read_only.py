"""Reading a read-only store: on a read-only disk or mount, or in a folder of another user.

SQLite reads a database with a write-ahead log in place only if it can create an index file beside it. Otherwise, if the log is empty, the file is
opened as immutable. If the log is not empty, or the store is of an older version, a copy of both in a temporary folder is read.
"""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.exc import DBAPIError

from mtl_core.runs.sql import schema

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def sentence(path: Path) -> str:
    """The error text for a write to a read-only store."""
    return (
        f"the run store '{path}' can only be read: its file or folder is read-only. Nothing was changed. "
        "Make it writable, or set MTL_HOME to another folder."
    )


def is_disk_read_only(path: Path) -> bool:
    """Whether the disk of a file is read-only now, as a system makes it after a fault of the disk. False where that cannot be asked."""
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except (AttributeError, OSError):  # Windows has no statvfs; the folder may be gone
        return False


def readable_in_place(path: Path, busy_seconds: float) -> Engine | None:
    """An engine that reads the file in place; None if that is not possible, or the store's version is older."""
    uris = [f"file:{quote(str(path))}?mode=ro"]
    if not _wal_of(path).exists() or _wal_of(path).stat().st_size == 0:
        uris.append(f"file:{quote(str(path))}?mode=ro&immutable=1")
    for uri in uris:
        engine = create_engine(f"sqlite:///{uri}&uri=true", pool_size=5, max_overflow=50, connect_args={"timeout": busy_seconds})
        try:
            with engine.connect() as connection:
                version = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "schema_version")).scalar()
        except DBAPIError:
            engine.dispose()
            continue
        return engine if version == str(schema.SCHEMA_VERSION) else None
    return None


def copy_to_temporary(path: Path) -> Path:
    """Copy the file and its log to a temporary folder, which is removed when this process ends. Returns the copy's path."""
    folder = Path(tempfile.mkdtemp(prefix="mtl_store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for source in (path, _wal_of(path)):
        if source.exists():
            shutil.copyfile(source, folder / source.name)
    return folder / path.name


def state_of(path: Path) -> tuple[Any, ...]:
    """Inode, size and modification time of the file and its log: a changed value means that the store must be opened again."""
    return tuple((found.st_ino, found.st_size, found.st_mtime_ns) for each in (path, _wal_of(path)) if each.exists() and (found := each.stat()))


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
