"""Pointers: the table that says which object holds which file of a run. A pointer is written after its object, so it never leads to half of one.

The table is in the store's database, which the machines share anyway: several pointers change in one transaction, and a trainer whose run was
claimed anew cannot change any. It exists only in stores whose artifacts are in an object store.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, delete, insert, inspect, select

from mtl_core.errors import StoreError
from mtl_core.runs.run_reading import RUN_ID
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import Database

USED = "artifacts"  # key of the store's settings: its artifacts are in an object store
LONGEST = 300  # characters of a path
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_tables = MetaData()
_pointers = Table(
    "artifacts",
    _tables,
    Column("run_id", String(64), primary_key=True),
    Column("path", String(LONGEST), primary_key=True),
    Column("object", String(400), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Pointer:
    """``name``: of the object. ``sha256``: of its content, in hexadecimal. ``size``: bytes."""

    name: str
    sha256: str
    size: int


def prepare_table(database: Database) -> None:
    """Make the table if it is missing, and note that the store needs its object store from now on."""
    with database.read() as connection:
        if connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == USED)).first():
            return
    with database.write() as connection:
        if not inspect(connection).has_table(_pointers.name):
            _tables.create_all(connection)
        connection.execute(delete(schema.meta).where(schema.meta.c.key == USED))
        connection.execute(insert(schema.meta).values(key=USED, value="object store"))


def refuse_without_address(database: Database) -> None:
    """Raise StoreError if the store's artifacts are in an object store: without its address, checkpoints that are not here would count as lost."""
    with database.read() as connection:
        used = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == USED)).first()
    if used:
        raise StoreError(
            "the checkpoints and pictures of this store's runs are in an object store, and MTL_ARTIFACTS_URL is not set. "
            "Set it to the address that the other machines use. Nothing was changed."
        )


def is_path(path: str) -> bool:
    """Whether a file of a run's folder can have this path, which comes from a database or a folder that others write."""
    return len(path) <= LONGEST and all(_PART.fullmatch(part) and not part.endswith((".tmp", ".unsent")) for part in path.split("/"))


def pointers_of(connection: Connection, run_id: str) -> dict[str, Pointer]:
    """Path in the run's folder -> its pointer.

    Raises:
        StoreError: a row is none that this program writes. It could lead out of the run's folder, or to another run's objects.
    """
    found = {}
    for row in connection.execute(select(_pointers).where(_pointers.c.run_id == run_id)):
        inside = row.object.startswith(f"{run_id}/") and all(_PART.fullmatch(part) for part in row.object.split("/"))
        if not (RUN_ID.fullmatch(run_id) and is_path(row.path) and inside and _SHA256.fullmatch(row.sha256) and row.size >= 0):
            raise StoreError(
                f"the store's table of artifacts names '{row.path[:80]!a}' in '{row.object[:80]!a}' for run {run_id}, which no version of this "
                "program writes. Nothing of it was read. Ask who else may write to the database"
            )
        found[row.path] = Pointer(row.object, row.sha256, row.size)
    return found


def write_pointers(connection: Connection, run_id: str, made: Mapping[str, Pointer], gone: Collection[str] = ()) -> None:
    """Point these paths to their new objects, and forget those in ``gone``; in the caller's transaction."""
    for path in (*made, *gone):
        connection.execute(delete(_pointers).where(_pointers.c.run_id == run_id, _pointers.c.path == path))
    rows = [{"run_id": run_id, "path": path, "object": each.name, "sha256": each.sha256, "size": each.size} for path, each in made.items()]
    if rows:
        connection.execute(insert(_pointers), rows)


def runs_without_row(connection: Connection) -> list[str]:
    """Ids of deleted runs whose objects are still to be removed."""
    there = select(schema.runs.c.id)
    return list(connection.execute(select(_pointers.c.run_id).where(_pointers.c.run_id.not_in(there)).distinct()).scalars())
