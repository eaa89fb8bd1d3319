"""The store's tables in a PostgreSQL database, for several machines on one store. The run folders are in a shared folder, or in an object store.

A transaction that writes what belongs to one run (``write_beside``) goes on beside those of other runs: rows are locked, and an index keeps the runs
of a device apart. All other writing transactions (the order of the queue, studies, deletions, lines of a log) are alone, as in SQLite. Times come
from the server's clock. A server that restarts is waited for; a transaction that it cut is not repeated here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import ArgumentError, DBAPIError

from mtl_core.errors import StoreError
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import clock, schema
from mtl_core.runs.sql.advisory_locks import lock_writers
from mtl_core.runs.sql.database import UNENCODABLE, Database, refuse_in_use, reporter_of, run_folders_in, version_of
from mtl_core.runs.sql.migrations import migrate
from mtl_core.runs.sql.run_facts import refresh_facts

FIRST_VERSION = 4  # of the tables that a PostgreSQL store can have: there was none before
LOCK_SECONDS = 15  # how long a transaction waits for another's
IDLE_SECONDS = 60  # after which the server ends a transaction that does nothing: its machine may be gone, and it holds a lock
CONNECT_SECONDS = 5
WAIT_SECONDS = 20.0  # an open store waits this long for a server that is away
PAUSE_SECONDS = 0.25


class PostgresDatabase(Database):
    """One PostgreSQL database; ``open_postgres`` makes it.

    Attributes:
        name: what errors call it. No part of the address but the host and the database's name is in it.
    """

    def __init__(self, name: str, writer: Engine, reader: Engine, lock: threading.RLock):
        super().__init__(Path(name), writer, reader, lock)
        self.name, self.wait = name, WAIT_SECONDS

    def give_back_space(self) -> None:
        """Nothing: the server reuses the space by itself."""

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of the store.

        Raises:
            StoreError: the server cannot be reached, or refuses.
        """
        with self._translate_errors(), self._connected(self._reader) as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """``write`` of a store whose version is not known yet."""
        with self._writing(beside=False) as connection:
            yield connection

    @contextmanager
    def write_beside(self) -> Iterator[Connection]:
        """``write`` of what belongs to one run, beside such transactions of other processes."""
        with self._writing(beside=True) as connection:
            self.check_version(connection)
            yield connection

    @contextmanager
    def _writing(self, beside: bool) -> Iterator[Connection]:
        with self._lock, self._translate_errors(), self._connected(self._writer, beside) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def _connected(self, engine: Engine, beside: bool | None = None) -> Iterator[Connection]:
        """A connection in a transaction; waits for a server that is away. ``beside``: see ``lock_writers``; None to read."""
        connection = self._begun(engine, beside)
        with connection:
            yield connection

    def _begun(self, engine: Engine, beside: bool | None) -> Connection:
        deadline = time.monotonic() + self.wait
        while True:
            connection = None
            try:
                connection = engine.connect()
                connection.begin()
                if beside is not None:
                    lock_writers(connection, beside)
                clock.measure(connection)
                return connection
            except DBAPIError as error:
                if connection is not None:
                    connection.close()
                if not _is_away(error) or time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StoreError(_sentence(self.name, error)) from None  # the cause would bring the server's own text into logs
        except UnicodeEncodeError as error:
            raise StoreError(f"the PostgreSQL database '{self.name}' {UNENCODABLE}") from error


def open_postgres(url: str, home: Path) -> PostgresDatabase:
    """The database at a URL such as ``postgresql+psycopg://user@host/name``. Its tables are created if it has none.

    Args:
        home: folder of the run folders.

    Raises:
        StoreError: the database cannot be reached, is not a run store, holds one of another version, or is empty while ``home`` has run folders.
    """
    opened = process_slot("databases")
    with process_slot("locks").setdefault("databases", threading.RLock()):
        if url not in opened:
            opened[url] = _connect(url, home)
        entry = opened[url]
    return PostgresDatabase(entry["name"], entry["writer"], entry["reader"], entry["lock"])


def _connect(url: str, home: Path) -> dict[str, Any]:
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # it prints a traceback for each connection that a restart cut
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    own = {"connect_timeout": CONNECT_SECONDS}
    try:
        writer = create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args=own, hide_parameters=True)
        reader = create_engine(
            url, pool_size=5, max_overflow=50, pool_pre_ping=True, connect_args=own, hide_parameters=True, isolation_level="REPEATABLE READ"
        )
    except ModuleNotFoundError:
        raise StoreError("MTL_STORE_URL names a PostgreSQL database, and psycopg is not installed. Install the extra 'cluster'.") from None
    except (ArgumentError, ValueError):
        raise StoreError("MTL_STORE_URL cannot be read; expected an address such as postgresql+psycopg://user@host/name") from None
    for engine in (writer, reader):
        event.listen(engine, "connect", _set_up_connection)
    address = writer.url
    name = f"{address.database or address.username} on {address.host or 'this machine'}"
    entry = {"name": name, "writer": writer, "reader": reader, "lock": threading.RLock()}
    database = PostgresDatabase(name, writer, reader, entry["lock"])
    database.wait = 0.0  # whoever starts the program wants to know at once
    try:
        with database.transaction() as connection:
            _prepare(connection, name, home)
    except BaseException:
        writer.dispose()
        reader.dispose()
        raise
    return entry


def _prepare(connection: Connection, name: str, home: Path) -> None:
    """Create, convert or check the tables, in one transaction: a process that is killed in it leaves the old store."""
    tables = inspect(connection).get_table_names()
    if not tables:
        if left := run_folders_in(home):
            raise StoreError(
                f"the PostgreSQL database '{name}' has no runs, but {left} run folder{'s lie' if left > 1 else ' lies'} in '{home / 'runs'}'. "
                "Nothing was changed. Set MTL_STORE_URL to the database of these runs, or MTL_HOME to an empty folder that all machines share."
            )
        schema.metadata.create_all(connection)
        connection.execute(schema.meta.insert().values(key="schema_version", value=str(schema.SCHEMA_VERSION)))
    elif "meta" not in tables:
        raise StoreError(f"the PostgreSQL database '{name}' is not a run store of this program. Set MTL_STORE_URL to another database.")
    elif (found := version_of(connection) or "").isdigit() and FIRST_VERSION <= int(found) < schema.SCHEMA_VERSION:
        refuse_in_use(connection, name)
        migrate(connection, int(found), reporter_of(name, f"is converted from version {found} to version {schema.SCHEMA_VERSION}"))
    _check_version(connection, name)
    refresh_facts(connection)


def _check_version(connection: Connection, name: str) -> None:
    """Raise StoreError if the database is not a store of this version."""
    found = version_of(connection)
    if found != str(schema.SCHEMA_VERSION):
        raise StoreError(f"the run store '{name}' has version {found}, this program reads version {schema.SCHEMA_VERSION}. Nothing was changed.")


def _set_up_connection(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'")
    connection.commit()
    clock.expire()


def _is_away(error: DBAPIError) -> bool:
    """Whether the server ends, starts, or cannot be reached; False for a refusal such as a wrong password."""
    return error.connection_invalidated or any(part in str(error.orig) for part in _AWAY)


_AWAY = ("Connection refused", "No such file", "starting up", "shutting down", "closed the connection", "is lost", "is closed", "timeout expired")
_REASONS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("password", lambda name: f"the PostgreSQL server refuses the user or the password for '{name}'. Correct MTL_STORE_URL."),
    ("authentication", lambda name: f"the PostgreSQL server refuses the user or the password for '{name}'. Correct MTL_STORE_URL."),
    ("no pg_hba.conf entry", lambda name: f"the PostgreSQL server does not let this machine use '{name}'. Add it to the server's pg_hba.conf."),
    ("role", lambda name: f"the PostgreSQL server does not know the user for '{name}'. Correct MTL_STORE_URL."),
    ("does not exist", lambda name: f"the PostgreSQL server has no database, or no table, of '{name}'. Create it, or correct MTL_STORE_URL."),
    ("permission denied", lambda name: f"the user may not write the PostgreSQL database '{name}'. Give it the rights, or use another user."),
    ("lock timeout", lambda name: f"the PostgreSQL database '{name}' has been held by another process for {LOCK_SECONDS} s. Try again."),
    ("No space", lambda name: f"the disk of the PostgreSQL database '{name}' is full. Free some space, then try again."),
    ("invalid connection option", lambda name: f"MTL_STORE_URL has an option after its '?' that PostgreSQL does not know (for '{name}'). Remove it."),
    ("NUL", lambda name: f"the PostgreSQL database '{name}' cannot hold a text with a zero byte. Remove it from the text."),
)


def _sentence(name: str, error: DBAPIError) -> str:
    """The fault in words of our own: the server's text may repeat parts of the address."""
    if not _is_away(error):
        reason = str(error.orig)
        for part, said in _REASONS:
            if part in reason:
                return said(name)
        if error.connection_invalidated is False and type(error.orig).__name__ != "OperationalError":
            return f"the PostgreSQL database '{name}' refused an operation ({type(error.orig).__name__})."
    return f"the PostgreSQL database '{name}' cannot be reached, or its server ended the connection. Check that it runs, and MTL_STORE_URL."
