"""The time that the store's rows are written with: this machine's, or the database's where several machines share one."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text

from mtl_core.runs.process_singletons import process_slot

MEASURED_SECONDS = 10.0  # how long a measured difference counts
_STEP = 1.0  # seconds; a clock that moved by more against the monotonic one was set, or the machine was suspended


def store_time() -> float:
    """Seconds since 1970 by the store's clock."""
    return time.time() + process_slot("store clock").get("ahead", 0.0)


def measure(connection: Connection) -> None:
    """Measure how far the clock of a PostgreSQL server is ahead of this machine's, unless that was done a moment ago."""
    known, began, steady = process_slot("store clock"), time.time(), time.monotonic()
    drift = began - steady
    if "ahead" in known and abs(drift - known["drift"]) < _STEP and steady - known["measured"] < MEASURED_SECONDS:
        return
    theirs = connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    known.update(ahead=float(theirs) - (began + time.time()) / 2, drift=drift, measured=steady)


def forget() -> None:
    """Use this machine's clock."""
    process_slot("store clock").clear()
