"""How a store of an earlier version becomes one of the present version, with alembic's operations.

Each version has one function that adds what is new in it. Columns are written out here as they were in that version, so that a later change of
``schema`` changes no migration. No measured value is dropped. All of it is one transaction: a process that is killed in it leaves the old store.

The version number stays in the table ``meta``, not in alembic's own table: earlier versions of the program read it there to refuse a newer store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, Float, ForeignKey, Integer, LargeBinary, String, Text, text

from mtl_core.runs.sql.run_facts import refresh_facts
from mtl_core.runs.sql.scalar_conversion import convert_scalars
from mtl_core.runs.sql.schema import SCHEMA_VERSION, meta

if TYPE_CHECKING:
    from alembic.operations import Operations

SCALARS = 0.8  # of the time of a conversion to version 4


def migrate(connection: Connection, found: int, report: Callable[[float], None]) -> None:
    """Migrate a store from version ``found`` to the present one, inside the caller's transaction.

    Args:
        report: called with the share that is done, every few seconds.
    """
    from alembic.migration import MigrationContext  # here, because only old stores need it
    from alembic.operations import Operations

    operations = Operations(MigrationContext.configure(connection))
    for version in range(found + 1, SCHEMA_VERSION + 1):
        VERSIONS[version](operations, report)
    connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(SCHEMA_VERSION)))


def _to_2(operations: Operations, _report: Callable[[float], None]) -> None:
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


def _to_3(operations: Operations, _report: Callable[[float], None]) -> None:
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


def _to_4(operations: Operations, report: Callable[[float], None]) -> None:
    """Scalars packed, results of every scalar, and facts that lists are sorted by."""
    operations.add_column("runs", Column("last_row", Integer, nullable=False, server_default="0"))
    operations.create_index("runs_by_end", "runs", ["finished_at"])
    operations.create_index("runs_by_parent", "runs", ["parent_id"])
    operations.create_table(
        "scalar_keys",
        Column("number", Integer, primary_key=True),
        Column("key", String(255), nullable=False, unique=True),
    )
    operations.create_table(
        "key_sets",
        Column("number", Integer, primary_key=True),
        Column("digest", String(64), nullable=False, unique=True),
        Column("scalar_keys", Text, nullable=False),
    )
    operations.create_table(
        "points",
        Column("run", Integer, ForeignKey("runs.number"), primary_key=True, autoincrement=False),
        Column("row", Integer, primary_key=True, autoincrement=False),
        Column("step", Integer, nullable=False),
        Column("epoch", Float, nullable=False),
        Column("wall_time", Float, nullable=False),
        Column("key_set", Integer, ForeignKey("key_sets.number"), nullable=False),
        Column("packed", LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    operations.create_index("points_by_step", "points", ["run", "step"])
    operations.drop_table("run_results")
    operations.create_table(
        "run_results",
        Column("run", Integer, ForeignKey("runs.number"), primary_key=True, autoincrement=False),
        Column("key", Integer, ForeignKey("scalar_keys.number"), primary_key=True, autoincrement=False),
        Column("best", Float),
        Column("last", Float),
        Column("chosen", Float),
        Column("best_epoch", Float),
        Column("chosen_epoch", Float),
        Column("higher_is_better", Integer),
        sqlite_with_rowid=False,
    )
    operations.create_index("results_by_key", "run_results", ["key", "run"])
    operations.create_table(
        "run_facts",
        Column("run", Integer, ForeignKey("runs.number"), primary_key=True, autoincrement=False),
        Column("is_readable", Integer, nullable=False),
        Column("name", Text, nullable=False),
        Column("subtitle", Text, nullable=False),
        Column("common", Text, nullable=False),
        Column("data", String(255), nullable=False),
        Column("tasks", Text, nullable=False),
        Column("backbone", String(255), nullable=False),
        Column("balancing", String(255), nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("search", Text, nullable=False),
    )
    operations.create_index("ix_run_facts_fingerprint", "run_facts", ["fingerprint"])
    convert_scalars(operations.get_bind(), lambda share: report(SCALARS * share))
    operations.drop_table("scalars")
    refresh_facts(operations.get_bind(), lambda share: report(SCALARS + (1 - SCALARS) * share))


def _to_5(operations: Operations, _report: Callable[[float], None]) -> None:
    """Means over a run, of keys such as affinities. Runs that are there keep none: readers compute theirs from the scalars."""
    operations.add_column("run_results", Column("mean", Float))
    operations.add_column("run_results", Column("points", Integer))


def _to_6(operations: Operations, _report: Callable[[float], None]) -> None:
    """One claim for each device by an index of the database, and how long a holder may be silent."""
    operations.add_column("runs", Column("slot", String(300)))
    operations.add_column("runs", Column("lease_seconds", Float, nullable=False, server_default="15.0"))
    held = text("slot IS NOT NULL AND status IN ('running', 'pausing', 'paused', 'stopping')")
    operations.create_index("runs_by_slot", "runs", ["slot"], unique=True, sqlite_where=held, postgresql_where=held)


def _to_7(operations: Operations, _report: Callable[[float], None]) -> None:
    """No limit for texts that people and installed parts give: a cell of a study, kinds of studies, names of data sets, backbones and methods."""
    connection = operations.get_bind()
    rows = connection.execute(text("SELECT study_id, cell, seed, run_id, is_reused, resumptions FROM study_runs")).mappings().all()
    operations.drop_table("study_runs")  # before ``studies``, to which its rows refer
    if connection.dialect.name == "sqlite":  # which changes no column's type
        _make_studies_anew(operations)
    else:
        operations.alter_column("studies", "kind", type_=Text)
    with operations.batch_alter_table("run_facts") as facts:
        for name in ("data", "backbone", "balancing"):
            facts.alter_column(name, type_=Text, existing_type=String(255), existing_nullable=False)
    cells = operations.create_table(
        "study_runs",
        Column("study_id", String(64), ForeignKey("studies.id"), primary_key=True),
        Column("cell_digest", String(64), primary_key=True),
        Column("cell", Text, nullable=False),
        Column("seed", Integer, primary_key=True),
        Column("run_id", String(64), ForeignKey("runs.id"), nullable=False),
        Column("is_reused", Integer, nullable=False, server_default="0"),
        Column("resumptions", Integer, nullable=False, server_default="0"),
    )
    operations.create_index("ix_study_runs_run_id", "study_runs", ["run_id"])
    operations.bulk_insert(cells, [{**row, "cell_digest": hashlib.sha256(row["cell"].encode()).hexdigest()} for row in rows])


def _make_studies_anew(operations: Operations) -> None:
    """The table with ``kind`` as Text. alembic's own copy of a table (``batch_alter_table``) loses unique constraints that have no name."""
    rows = operations.get_bind().execute(text("SELECT * FROM studies ORDER BY number")).mappings().all()
    operations.drop_table("studies")
    studies = operations.create_table(
        "studies",
        Column("number", Integer, primary_key=True),
        Column("id", String(64), nullable=False, unique=True),
        Column("kind", Text, nullable=False),
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
    operations.bulk_insert(studies, [dict(row) for row in rows])


VERSIONS = {2: _to_2, 3: _to_3, 4: _to_4, 5: _to_5, 6: _to_6, 7: _to_7}  # version -> what it changes in the one before
