"""Tables of the run store. Only portable SQL: nothing here is particular to SQLite but the hint on row numbers."""

from __future__ import annotations

import json
import math
from typing import Any

from sqlalchemy import Column, Connection, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint
from sqlalchemy.schema import CreateColumn

SCHEMA_VERSION = 2

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False))

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True),  # order of submission
    Column("id", String(64), nullable=False, unique=True),
    Column("status", String(16), nullable=False, index=True),
    Column("config", Text, nullable=False),  # JSON
    Column("created_at", Float, nullable=False),  # all times: seconds since 1970
    Column("started_at", Float),  # taken by a process
    Column("training_started_at", Float),  # data prepared, first step comes
    Column("finished_at", Float),
    Column("step", Integer, nullable=False, default=0),
    Column("steps_total", Integer),
    Column("epoch", Float, nullable=False, default=0.0),
    Column("steps_per_second", Float),
    Column("info", Text, nullable=False, default="{}"),  # JSON
    Column("failure", Text),  # JSON
    Column("device", String(32)),  # resolved, never 'auto'; NULL until known
    Column("owner_host", String(255)),
    Column("owner_pid", Integer),
    Column("owner_started", Float),
    Column("heartbeat_at", Float),
    # since version 2
    Column("owner_token", String(32)),  # made anew each time a run is taken: who has an older one may write nothing more
    Column("progress_at", Float),  # the trainer's last sign of life; the heartbeat is its attendant's
    Column("seconds_before", Float, nullable=False, server_default="0"),  # of the times it was trained before started_at
    Column("resumed_step", Integer, nullable=False, server_default="0"),  # step at training_started_at
    Column("queue_rank", Float),  # lower is earlier; NULL counts as created_at
    Column("title", Text),  # given by hand; NULL for the config's
    Column("note", Text, nullable=False, server_default=""),
    Column("tags", Text, nullable=False, server_default="[]"),  # JSON
    Column("pinned", Integer, nullable=False, server_default="0"),
    Column("archived", Integer, nullable=False, server_default="0"),
    Column("parent_id", String(64)),  # the run it was forked from, which may be gone
    Column("parent_epoch", Integer),
    Column("parent_step", Integer),
    Column("request_id", String(64)),  # what asked for it: a second click of the same form finds this run
    Index("runs_by_request", "request_id", unique=True),
    sqlite_autoincrement=True,
)

scalars = Table(
    "scalars",
    metadata,
    Column("row", Integer, primary_key=True),  # grows with every write, also when a value is written again: readers ask for what is new
    Column("run_id", String(64), ForeignKey("runs.id"), nullable=False),
    Column("key", String(255), nullable=False),  # split/task/name
    Column("step", Integer, nullable=False),
    Column("epoch", Float, nullable=False),
    Column("value", Float),  # NULL is NaN
    Column("wall_time", Float, nullable=False),  # seconds since started_at
    Column("created_at", Float, nullable=False),
    UniqueConstraint("run_id", "key", "step"),  # the split is the key's first part
    Index("scalars_by_row", "run_id", "row"),
    sqlite_autoincrement=True,
)

log = Table(
    "log",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run_id", String(64), ForeignKey("runs.id"), nullable=False, index=True),
    Column("time", Float, nullable=False),
    Column("level", String(16), nullable=False),
    Column("text", Text, nullable=False),
)

controls = Table(
    "controls",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run_id", String(64), ForeignKey("runs.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("applied_at", Float),
    Column("payload", Text),  # JSON; since version 2
)

_ADDED = {  # version -> table -> the columns it brought
    2: {
        runs: (
            "owner_token",
            "progress_at",
            "seconds_before",
            "resumed_step",
            "queue_rank",
            "title",
            "note",
            "tags",
            "pinned",
            "archived",
            "parent_id",
            "parent_epoch",
            "parent_step",
            "request_id",
        ),
        controls: ("payload",),
    }
}


def migrate(connection: Connection, found: int) -> None:
    """Bring a store of an older version to this one, inside the caller's transaction. Nothing is ever dropped."""
    for version in range(found + 1, SCHEMA_VERSION + 1):
        for table, names in _ADDED[version].items():
            for name in names:
                described = CreateColumn(table.c[name]).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {described}")
            for index in table.indexes:
                index.create(connection, checkfirst=True)
    connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(SCHEMA_VERSION)))


def to_json(value: Any) -> str:
    """Strict JSON: NaN and infinities, which JSON has no words for, become null."""
    return json.dumps(finite(value), allow_nan=False, ensure_ascii=False)


def finite(value: Any) -> Any:
    """The same plain value with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
