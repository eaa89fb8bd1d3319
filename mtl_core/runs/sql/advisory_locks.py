"""Locks of a PostgreSQL server that no row stands for. SQLite needs none: its writers come one after the other."""

from __future__ import annotations

from sqlalchemy import Connection, text

WRITERS, KEYS, SWEEPER = 0x6D746C, 0x6D746D, 0x6D746E

_ALONE, _BESIDE = text("SELECT pg_advisory_xact_lock(:key)"), text("SELECT pg_advisory_xact_lock_shared(:key)")
_IF_FREE = text("SELECT pg_try_advisory_xact_lock(:key)")


def lock_writers(connection: Connection, beside: bool) -> None:
    """Wait until this transaction may write.

    Args:
        beside: it writes what belongs to one run, so it waits only for transactions that write more. Else it waits for all.
    """
    connection.execute(_BESIDE if beside else _ALONE, {"key": WRITERS})


def lock_keys(connection: Connection) -> None:
    """Until the end of this transaction no other one gives numbers to new keys and sets of keys, which all runs share."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ALONE, {"key": KEYS})


def may_sweep(connection: Connection) -> bool:
    """Whether no other transaction looks for runs whose processes are gone. Until the end of this one, no other does."""
    return connection.dialect.name != "postgresql" or bool(connection.execute(_IF_FREE, {"key": SWEEPER}).scalar_one())
