"""The time that the store's rows are written with: this machine's, or the database's where several machines share one."""

from __future__ import annotations

import math
import time

from sqlalchemy import Connection, text

from mtl_core.runs.process_singletons import process_slot

MEASURED_SECONDS = 10.0  # how long a measured difference counts
_STEP = 1.0  # seconds; a clock that moved by more against the monotonic one was set, or the machine was suspended


def store_time() -> float:
    """Seconds since 1970 by the store's clock."""
    return time.time() + process_slot("store clock").get("ahead", 0.0)


def unheard_of(heartbeat_at: float, now: float) -> float:
    """Seconds of a holder's silence: since its last heartbeat, or since the database server began to answer, whichever is later.

    Nobody can write a heartbeat while the server is away.
    """
    return max(now - max(heartbeat_at, process_slot("store clock").get("answering_since", 0.0)), 0.0)


def measure(connection: Connection) -> None:
    """Measure how far the clock of a PostgreSQL server is ahead of this machine's, and since when it answers, unless that was done a moment ago."""
    known, began, steady = process_slot("store clock"), time.time(), time.monotonic()
    drift = began - steady
    if "ahead" in known and abs(drift - known["drift"]) < _STEP and steady - known["measured"] < MEASURED_SECONDS:
        return
    columns = "extract(epoch FROM clock_timestamp()), extract(epoch FROM pg_postmaster_start_time())"
    theirs, started = connection.execute(text(f"SELECT {columns}")).one()
    known.update(ahead=float(theirs) - (began + time.time()) / 2, drift=drift, measured=steady, answering_since=float(started))


def expire() -> None:
    """Have the next transaction measure again: its connection is a new one, and the server may have restarted."""
    if "measured" in (known := process_slot("store clock")):
        known["measured"] = -math.inf


def forget() -> None:
    """Use this machine's clock."""
    process_slot("store clock").clear()
