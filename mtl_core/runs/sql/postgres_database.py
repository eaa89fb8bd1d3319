"""The store's tables in a PostgreSQL database, for several machines on one store. The run folders stay in a shared folder.

Not finished: all writing transactions take one advisory lock, one after the other, as SQLite does it. Claims by single rows, times from the database
and the sweep for runs of dead processes are still those of one machine.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, inspect, text

from mtl_core.errors import StoreError
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import Database, check_version

WRITERS = 0x6D746C  # the advisory lock that a writing transaction holds


def open_postgres(url: str) -> Database:
    """The database at a URL such as ``postgresql+psycopg://user@host/name``. Its tables are created if it has none.

    Raises:
        StoreError: the database cannot be reached, or holds a store of another version.
    """
    opened = process_slot("databases")
    with process_slot("locks").setdefault("databases", threading.RLock()):
        if url not in opened:
            opened[url] = _connect(url)
        entry = opened[url]
    return Database(Path(entry["name"]), entry["writer"], entry["reader"], entry["lock"])


def _connect(url: str) -> dict[str, Any]:
    try:
        writer = create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise StoreError("MTL_STORE_URL names a PostgreSQL database, and psycopg is not installed. Install the extra 'cluster'.") from None
    reader = create_engine(url, pool_size=5, max_overflow=50, pool_pre_ping=True, isolation_level="REPEATABLE READ")
    event.listen(writer, "begin", lambda connection: connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITERS}))
    name = writer.url.render_as_string(hide_password=True)
    entry = {"name": name.replace("/", "_"), "writer": writer, "reader": reader, "lock": threading.RLock()}
    database = Database(Path(entry["name"]), writer, reader, entry["lock"])
    with database.transaction() as connection:
        if not inspect(connection).get_table_names():
            schema.metadata.create_all(connection)
            connection.execute(schema.meta.insert().values(key="schema_version", value=str(schema.SCHEMA_VERSION)))
        check_version(connection, name)
    return entry
