"""Leases: how long the holder of a run may be silent before it counts as gone, where its process cannot be seen.

The lease is written beside the heartbeat, in seconds. A holder whose signs of life come late lengthens its own, and a run that is taken over for
silence begins its next attempt with twice the length. So an overloaded machine is not taken for a dead one again and again. Without late signs a
lease becomes shorter again.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time, unheard_of
from mtl_core.runs.status import ACTIVE

LEAST, MOST = schema.LEAST_LEASE, 300.0  # seconds; a heartbeat comes every 2 s
SLACK = 4.0  # a lease is at least so many times the silence that its holder has survived
HALF_LIFE = 600.0  # seconds in which a lease that is not needed becomes half as long
MEMORY = 600.0  # seconds for which a machine's leases count for its next run

_runs = schema.runs


def renewed(lease: float, silence: float) -> float:
    """The lease after a sign of life that came ``silence`` seconds after the one before. All in seconds."""
    return min(max(LEAST, SLACK * silence, lease * 0.5 ** (silence / HALF_LIFE)), MOST)


def doubled(lease: float) -> float:
    """The lease of a run that was taken over for silence, for its next attempt."""
    return min(2 * lease, MOST)


def first_lease(connection: Connection, run_id: str, host: str) -> float:
    """The lease that a claim begins with: the run's own, or the longest that the machine's runs have had lately."""
    lately = or_(_runs.c.status.in_(ACTIVE), _runs.c.finished_at > store_time() - MEMORY)
    longest = connection.execute(select(func.max(_runs.c.lease_seconds)).where(_runs.c.owner_host == host, lately)).scalar()
    own = connection.execute(select(_runs.c.lease_seconds).where(_runs.c.id == run_id)).scalar()
    return max(longest or LEAST, own or LEAST)


def write_sign_of_life(connection: Connection, run_id: str, **values: Any) -> None:
    """Set ``heartbeat_at`` to now, renew the lease, and set more columns of the run's row."""
    row = connection.execute(select(_runs.c.heartbeat_at, _runs.c.lease_seconds).where(_runs.c.id == run_id)).first()
    if row is None:
        return
    now = store_time()
    lease = row.lease_seconds if row.heartbeat_at is None else renewed(row.lease_seconds, unheard_of(row.heartbeat_at, now))
    connection.execute(update(_runs).where(_runs.c.id == run_id).values(heartbeat_at=now, lease_seconds=lease, **values))
