"""The sweeper: it marks runs as interrupted whose processes are gone.

Every process that works on a store can be the sweeper; in a PostgreSQL store one at a time is. A row that is locked at that moment is being written
by its holder, so it is left out. The mark, its line in the log and the lease of the next attempt are one transaction.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Row, delete, insert, select, update

from mtl_core.runs.process_identity import this_process
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.advisory_locks import may_sweep
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.sql.database import Database
from mtl_core.runs.sql.leases import doubled
from mtl_core.runs.sql.run_rows import is_held
from mtl_core.runs.status import ACTIVE, RunStatus

SWEEP_SECONDS = 5.0  # between two sweeps of a store, however many processes work on it
SWEPT_AT = "swept at"  # key in the table ``meta``: seconds since 1970, by the store's clock

_runs, _meta = schema.runs, schema.meta


def sweep(database: Database, words: Callable[[float], str]) -> list[tuple[str, str]]:
    """Mark all runs whose processes are gone. Returns the line that the log of each has got, by run; none if another process sweeps now.

    Args:
        words: the line for a run that has come to this epoch.

    Raises:
        StoreError: the store cannot be written.
    """
    with database.write_beside() as connection:
        if not may_sweep(connection):
            return []
        _write_time(connection)
        active = select(_runs).where(_runs.c.status.in_(ACTIVE)).order_by(_runs.c.number)
        gone = [row.id for row in connection.execute(active) if not is_held(row)]
        locked = active.where(_runs.c.id.in_(gone)).with_for_update(skip_locked=True, key_share=True)
        rows = connection.execute(locked).all() if gone else []  # read anew: a sign of life may have come before the lock
        return [(row.id, _mark(connection, row, words(row.epoch))) for row in rows if not is_held(row)]


def is_due(database: Database) -> bool:
    """Whether nobody has swept the store for ``SWEEP_SECONDS``, or the clock was set back. False while no run is active, so that an idle store is not
    written."""
    with database.read() as connection:
        if connection.execute(select(_runs.c.number).where(_runs.c.status.in_(ACTIVE)).limit(1)).first() is None:
            return False
        stored = connection.execute(select(_meta.c.value).where(_meta.c.key == SWEPT_AT)).scalar()
    return stored is None or not 0 <= store_time() - float(stored) < SWEEP_SECONDS


def _mark(connection: Connection, row: Row, line: str) -> str:
    values = {"status": RunStatus.INTERRUPTED.value, "finished_at": row.heartbeat_at}
    if row.owner_host != this_process().host:  # its process may live without a processor: the next attempt may be silent for longer
        values["lease_seconds"] = doubled(row.lease_seconds)
    connection.execute(update(_runs).where(_runs.c.id == row.id).values(**values))
    connection.execute(insert(schema.log).values(run_id=row.id, time=store_time(), level="error", text=line))
    return line


def _write_time(connection: Connection) -> None:
    connection.execute(delete(_meta).where(_meta.c.key == SWEPT_AT))
    connection.execute(insert(_meta).values(key=SWEPT_AT, value=repr(store_time())))
