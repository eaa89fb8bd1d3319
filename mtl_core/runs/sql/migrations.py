"""How a store of an earlier version becomes one of the present version, with alembic's operations.

Each version has one function that adds what is new in it. Columns are written out here as they were in that version, so that a later change of
``schema`` changes no migration. No data are dropped.

The version number stays in the table ``meta``, not in alembic's own table: earlier versions of the program read it there to refuse a newer store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Float, ForeignKey, Integer, String, Text

from mtl_core.runs.sql.schema import SCHEMA_VERSION, meta

if TYPE_CHECKING:
    from alembic.operations import Operations


def migrate(connection: Connection, found: int) -> None:
    """Migrate a store from version ``found`` to the present one, inside the caller's transaction."""
    from alembic.migration import MigrationContext  # here, because only old stores need it
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for version in range(found + 1, SCHEMA_VERSION + 1):
        VERSIONS[version](operations)
    connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(SCHEMA_VERSION)))


def _to_2(operations: Operations) -> None:
    """Claims, resumed runs, what people write about a run, and forks."""
    for column in (
        Column("owner_token", String(32)),
        Column("progress_at", Float),
        Column("seconds_before", Float, nullable=False, server_default="0"),
        Column("resumed_step", Integer, nullable=False, server_default="0"),
        Column("queue_rank", Float),
        Column("title", Text),
        Column("note", Text, nullable=False, server_default=""),
        Column("tags", Text, nullable=False, server_default="[]"),
        Column("pinned", Integer, nullable=False, server_default="0"),
        Column("archived", Integer, nullable=False, server_default="0"),
        Column("parent_id", String(64)),
        Column("parent_epoch", Integer),
        Column("parent_step", Integer),
        Column("request_id", String(64)),
    ):
        operations.add_column("runs", column)
    operations.create_index("runs_by_request", "runs", ["request_id"], unique=True)
    operations.add_column("controls", Column("payload", Text))


def _to_3(operations: Operations) -> None:
    """Results of runs, and studies."""
    operations.create_table(
        "run_results",
        Column("run_id", String(64), ForeignKey("runs.id"), primary_key=True),
        Column("task", String(255), primary_key=True),
        Column("metric", String(255), primary_key=True),
        Column("split", String(16), primary_key=True),
        Column("best", Float),
        Column("last", Float),
        Column("chosen", Float),
        Column("best_epoch", Float),
        Column("chosen_epoch", Float),
        Column("higher_is_better", Integer),
    )
    operations.create_table(
        "studies",
        Column("number", Integer, primary_key=True),
        Column("id", String(64), nullable=False, unique=True),
        Column("kind", String(32), nullable=False),
        Column("title", Text, nullable=False),
        Column("created_at", Float, nullable=False),
        Column("state", String(16), nullable=False),
        Column("base", Text, nullable=False),
        Column("settings", Text, nullable=False),
        Column("seeds", Text, nullable=False),
        Column("precision", String(16)),
        Column("layout", String(16)),
        Column("request_id", String(64), unique=True),
        sqlite_autoincrement=True,
    )
    operations.create_table(
        "study_runs",
        Column("study_id", String(64), ForeignKey("studies.id"), primary_key=True),
        Column("cell", String(255), primary_key=True),
        Column("seed", Integer, primary_key=True),
        Column("run_id", String(64), ForeignKey("runs.id"), nullable=False),
        Column("is_reused", Integer, nullable=False, server_default="0"),
        Column("resumptions", Integer, nullable=False, server_default="0"),
    )
    operations.create_index("ix_study_runs_run_id", "study_runs", ["run_id"])


VERSIONS = {2: _to_2, 3: _to_3}  # version -> what it adds to the one before
