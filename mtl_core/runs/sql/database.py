"""The connection to the store's SQLite database: one writer per process, short transactions, readable errors.

SQLite before 3.51.3 has a rare bug when two connections of one process write and checkpoint the write-ahead log at the same time. All writes of a
process therefore go through one connection behind a lock. Readers have their own connections and never wait for the writer (WAL).
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError, OperationalError

from mtl_core.errors import StoreError
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import read_only, schema
from mtl_core.runs.sql.migrations import migrate
from mtl_core.runs.sql.run_facts import refresh_facts
from mtl_core.runs.sql.run_rows import is_held
from mtl_core.runs.status import ACTIVE

_logger = logging.getLogger(__name__)
UNENCODABLE = "cannot hold a text with bytes that are no characters. Remove them from the text."
BUSY_SECONDS = 15  # how long a statement waits for another process's transaction


class Database:
    """One SQLite file; ``open_database`` makes it. ``read_only``: every write raises StoreError.

    Args:
        file: identity of the file that was opened. A connection goes on with a file that was deleted, and what it writes is lost, so every use
            checks that the path still leads to this file. None checks nothing.
    """

    def __init__(
        self,
        path: Path,
        writer: Engine,
        reader: Engine,
        lock: threading.RLock,
        is_read_only: bool = False,
        file: tuple[int, int] | None = None,
    ):
        self.path, self._writer, self._reader, self._lock, self.read_only, self._file = path, writer, reader, lock, is_read_only, file

    def is_replaced(self) -> bool:
        """Whether another file has the place of the one that was opened."""
        return self._file is not None and _file_identity(self.path) not in (None, self._file)

    def _check_there(self) -> None:
        if self._file is not None and _file_identity(self.path) != self._file:
            what = "was replaced by another file" if self.is_replaced() else "is not there any more"
            raise StoreError(
                f"the run store '{self.path}' {what}: it was moved, deleted, or its disk is gone since it was opened. Nothing was written. "
                "Put it back, or start the program again to open what is there."
            )

    def check_writable(self) -> None:
        """Raise StoreError if the store is read-only."""
        if self.read_only:
            raise StoreError(read_only.sentence(self.path))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the store.

        Raises:
            StoreError: the file cannot be read.
        """
        self._check_there()
        with self._translate_errors(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that holds the write lock from its start. It is committed at the end and rolled back on an exception.

        Raises:
            StoreError: the file cannot be written.
        """
        self.check_writable()
        self._check_there()
        with self.transaction() as connection:
            self.check_version(connection)
            yield connection

    def check_version(self, connection: Connection) -> None:
        """Raise StoreError if the store is of another version than this program by now."""
        if version_of(connection) != str(schema.SCHEMA_VERSION):
            raise StoreError(
                f"the run store '{self.path}' was converted by another version of the program while this process had it open. "
                "Nothing was written. End this process and start it again with the version that converted the store."
            )

    @contextmanager
    def write_beside(self) -> Iterator[Connection]:
        """``write`` of what belongs to one run. Where the database can, such transactions of other processes go on at the same time.

        The caller locks the run's row (``with_for_update``, which SQLite leaves out) before it decides by what it reads there.
        """
        with self.write() as connection:
            yield connection

    def give_back_space(self) -> None:
        """Make the file smaller after much was deleted. Without the space for a second copy, or with other readers, it stays as large."""
        with contextlib.suppress(DBAPIError, sqlite3.Error), self._lock, self._writer.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None  # it was connected just now
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """``write`` of a store whose version is not known yet."""
        with self._lock, self._translate_errors(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(_sentence(self.path, error)) from error
        except UnicodeEncodeError as error:
            raise StoreError(f"the run store '{self.path}' {UNENCODABLE}") from error


def check_folder(folder: Path, database: str) -> bool:
    """Create the store's folder if it is missing.

    Args:
        database: name of the database file in the folder.

    Returns:
        Whether the store can be written; False if the folder has a store that can only be read.

    Raises:
        StoreError: the folder cannot be created or written, and has no store to read.
    """
    advice = "Set MTL_HOME to a folder that you may write."
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError):
        raise StoreError(f"the run store needs a folder, but '{folder}' is, or lies below, a file. {advice}") from None
    except OSError as error:
        if error.errno in read_only.READ_ONLY and (folder / database).is_file():
            return False
        raise StoreError(f"the run store's folder '{folder}' cannot be written: {error.strerror or error}. {advice}") from None
    return not (folder / database).exists() or os.access(folder / database, os.W_OK)


def open_database(path: Path, writable: bool = True) -> Database:
    """The database in ``path``, created if it is missing. A second call in one process returns the same connections.

    Args:
        writable: False opens the database read-only.

    Raises:
        StoreError: the file is damaged, not a run store, of a newer version, or cannot be written. It is never deleted.
    """
    path = path.resolve()
    if not writable:
        return _open_read_only(path)
    opened = process_slot("databases")
    with process_slot("locks").setdefault("databases", threading.RLock()):
        entry = opened.get(str(path))
        if entry is None or entry["file"] != _file_identity(path):  # not open yet, or the file was replaced
            if not path.exists() or path.stat().st_size == 0:
                _refuse_emptied(path)  # before SQLite turns it into an empty database
            entry = _connect(path)
            _prepare(Database(path, entry["writer"], entry["reader"], entry["lock"]))
            entry["file"] = _file_identity(path)
            opened[str(path)] = entry
    return Database(path, entry["writer"], entry["reader"], entry["lock"], file=entry["file"])


def _open_read_only(path: Path) -> Database:
    opened, key = process_slot("databases"), f"{path} read-only"
    with process_slot("locks").setdefault("databases", threading.RLock()):
        entry = opened.get(key)
        if entry is None or entry["file"] != read_only.state_of(path):
            reader, file = read_only.readable_in_place(path, BUSY_SECONDS), read_only.state_of(path)
            entry = {"writer": reader, "reader": reader, "lock": threading.RLock(), "file": file}
            if reader is None:
                try:
                    copy = read_only.copy_to_temporary(path)
                except OSError as error:
                    raise StoreError(
                        f"the run store '{path}' is read-only, and a copy to read from cannot be made: {error.strerror or error}"
                    ) from error
                entry |= _connect(copy)
                _prepare(Database(copy, entry["writer"], entry["reader"], entry["lock"]), shown=path)
            opened[key] = entry
    return Database(path, entry["writer"], entry["reader"], entry["lock"], is_read_only=True)


def _connect(path: Path) -> dict[str, Any]:
    url = URL.create("sqlite", database=str(path))
    writer = create_engine(url, pool_size=1, max_overflow=0, connect_args={"timeout": BUSY_SECONDS})
    reader = create_engine(url, pool_size=5, max_overflow=50, connect_args={"timeout": BUSY_SECONDS})
    for engine, begin in ((writer, "BEGIN IMMEDIATE"), (reader, "BEGIN")):
        event.listen(engine, "connect", _set_up_connection)
        event.listen(engine, "begin", lambda connection, begin=begin: connection.exec_driver_sql(begin))
    return {"writer": writer, "reader": reader, "lock": threading.RLock()}


def _set_up_connection(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # our "BEGIN" starts each transaction, not the sqlite3 module
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _prepare(database: Database, shown: Path | None = None) -> None:
    """Create, migrate or check the tables. ``shown``: the path that errors name if ``database`` is a copy."""
    path = shown or database.path
    _switch_to_wal(database)
    with database.transaction() as connection:
        tables = inspect(connection).get_table_names()
        if not tables:
            _refuse_emptied(path)
            schema.create_sqlite_tables(connection)
            connection.execute(schema.meta.insert().values(key="schema_version", value=str(schema.SCHEMA_VERSION)))
            return
        found = version_of(connection) if "meta" in tables else None
        is_older = found is not None and found.isdigit() and int(found) < schema.SCHEMA_VERSION
        if is_older:
            refuse_in_use(connection, path)
            migrate(connection, int(found or 0), reporter_of(path, f"is converted from version {found} to version {schema.SCHEMA_VERSION}"))
        elif found == str(schema.SCHEMA_VERSION):
            refresh_facts(connection, reporter_of(path, "has its list of runs rebuilt"))
    if is_older:
        database.give_back_space()
        return
    if found is None or not found.isdigit():
        raise StoreError(f"'{path}' is a database, but not a run store of this program. Set MTL_HOME to another folder.")
    if int(found) > schema.SCHEMA_VERSION:
        raise StoreError(
            f"the run store '{path}' has version {found}, this program reads version {schema.SCHEMA_VERSION}. "
            "Update the program, or set MTL_HOME to another folder. Nothing was changed."
        )


def version_of(connection: Connection) -> str | None:
    """The version that the store's tables have, as text; None if it is not written."""
    return connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'schema_version'").scalar()  # as text: each transaction asks for it


def refuse_in_use(connection: Connection, path: Path | str) -> None:
    """Raise StoreError if a live process holds a run of an older store: it would find its tables changed and lose what it measures."""
    runs = schema.runs.c  # the columns that every version had
    active = select(runs.id, runs.owner_host, runs.owner_pid, runs.owner_started, runs.heartbeat_at).where(runs.status.in_(ACTIVE))
    for row in connection.execute(active):
        if is_held(row):
            raise StoreError(
                f"the run store '{path}' is of an earlier version, and process {row.owner_pid} on {row.owner_host} trains run {row.id} in it "
                "with that version. Stop that run or wait for its end, end that program, and open the store again. Nothing was changed."
            )


def reporter_of(path: Path | str, what: str) -> Callable[[float], None]:
    """Logs the progress of a conversion of the store ``path``."""
    return lambda share: _logger.warning("The run store '%s' %s: %.0f %%. Nothing is lost if this is interrupted.", path, what, 100 * share)


def _refuse_emptied(path: Path) -> None:
    """Raise StoreError if run folders exist beside a database without tables: its content was lost."""
    runs = path.parent / "runs"
    if left := run_folders_in(path.parent):
        raise StoreError(
            f"the run store '{path}' is {'empty' if path.exists() else 'missing'}, but {left} {'run folders lie' if left > 1 else 'run folder lies'} "
            f"in '{runs}'. Nothing was deleted. Restore a copy of the file, or move '{runs}' elsewhere to start with an empty list of runs."
        )


def run_folders_in(home: Path) -> int:
    """How many run folders lie in a store's folder."""
    return len(list((home / "runs").glob("????????-??????-????")))


def _switch_to_wal(database: Database) -> None:
    """Switch to the write-ahead log, so that readers do not block the writer.

    Two processes that open a new store at the same time may find it locked, whatever the timeout, so this retries."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            with database._lock, database._writer.connect() as connection:
                driver = connection.connection.driver_connection
                assert driver is not None  # it was connected just now
                driver.execute("PRAGMA journal_mode=WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise StoreError(_sentence(database.path, error)) from error
            time.sleep(0.05)


def _file_identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _sentence(path: Path, error: Exception) -> str:
    reason = str(getattr(error, "orig", None) or error)
    if "not a database" in reason or "malformed" in reason:
        return (
            f"the run store '{path}' is damaged ({reason}). Nothing was deleted. Restore a copy of it, or move '{path.name}' and the files "
            f"'{path.name}-wal' and '{path.name}-shm' elsewhere and start again: the run folders stay, the list of runs starts empty."
        )
    if "full" in reason:
        return f"the disk that holds the run store '{path}' is full ({reason}). Free some space, then try again."
    if read_only.is_disk_read_only(path):
        return (
            f"the disk that holds the run store '{path}' is read-only ({reason}), as a system makes it after a fault of the disk. "
            "Check the disk, make it writable, then try again."
        )
    if "disk I/O error" in reason:  # SQLite reports most kinds of a full disk this way
        return (
            f"the run store '{path}' cannot be read or written ({reason}). The disk or a quota on it may be full, or the disk has a fault. "
            "Free some space, then try again."
        )
    if "no such table" in reason or "no such column" in reason:
        return (
            f"the run store '{path}' was converted by another version of the program ({reason}). "
            "End this process and start it again with that version."
        )
    if "locked" in reason:
        return f"the run store '{path}' has been held by another process for {BUSY_SECONDS} s ({reason}). End that process or try again."
    if "readonly" in reason or "unable to open" in reason or isinstance(error, OperationalError):
        return f"the run store '{path}' cannot be read or written ({reason}). Check its permissions, or set MTL_HOME to another folder."
    return f"the run store '{path}' refused an operation ({reason})."
