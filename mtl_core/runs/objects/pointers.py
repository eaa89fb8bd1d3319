"""Pointers: the table that says which object holds which file of a run or of an imported set. A pointer is written after its object, so it never
leads to half of one.

The table is in the store's database, which the machines share anyway: several pointers change in one transaction, and a trainer whose run was
claimed anew cannot change any. It exists only in stores whose artifacts are in an object store.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, delete, insert, inspect, select

from mtl_core.errors import StoreError
from mtl_core.names import SET_NAME
from mtl_core.runs.run_reading import RUN_ID
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import Database
from mtl_core.runs.sql.short_text import ShortText

USED = "artifacts"  # key of the store's settings: its artifacts are in an object store
LONGEST = 300  # characters of a path
_LONGEST_PART = 100
_OF_SET = re.compile(r"(?:description|arrays)-([0-9a-f]{32})")  # an owner of a set's objects
_SHA256 = re.compile(r"[0-9a-f]{64}")

_tables = MetaData()
_pointers = Table(
    "artifacts",
    _tables,
    Column("run_id", ShortText(64, "the owner of an object"), primary_key=True),
    Column("path", ShortText(LONGEST, "the path of a file"), primary_key=True),
    Column("object", ShortText(400, "the name of an object"), nullable=False),
    Column("sha256", schema.SHA256, nullable=False),
    Column("size", BigInteger, nullable=False),
)
_sets = Table(
    "imported_sets",
    _tables,
    Column("name", ShortText(64, "the name of an imported set"), primary_key=True),
    Column("id", ShortText(32, "the id of an imported set"), nullable=False),
    Column("digest", schema.SHA256, nullable=False),
)


@dataclass(frozen=True)
class Pointer:
    """``name``: of the object. ``sha256``: of its content, in hexadecimal. ``size``: bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class SharedSet:
    """``id``: of one import, for its objects. ``digest``: of its data, equal for equal data."""

    id: str
    digest: str


def prepare_tables(database: Database) -> None:
    """Make the tables that are missing, and note that the store needs its object store from now on."""
    with database.read() as connection:
        is_used = connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == USED)).first()
        if is_used and inspect(connection).has_table(_sets.name):
            return
    with database.write() as connection:
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
    return len(path) <= LONGEST and all(_is_part(part) and not part.endswith((".tmp", ".unsent")) for part in path.split("/"))


def _is_part(text: str) -> bool:
    """Whether a folder or file can have this name: it begins with a letter or digit. Names of tasks, in any script, occur in names of files."""
    kinds = [unicodedata.category(character)[0] for character in text]
    each = (kind in "LMN" or character in "._- " for kind, character in zip(kinds, text, strict=True))
    return 0 < len(text) <= _LONGEST_PART and kinds[0] in "LN" and all(each)


def owners_of_set(set_id: str) -> tuple[str, str]:
    """The owners of a set's objects: of its description, and of its arrays."""
    return f"description-{set_id}", f"arrays-{set_id}"


def set_of_owner(owner: str) -> str | None:
    """The id of the set that ``owners_of_set`` has this owner for; None for others."""
    found = _OF_SET.fullmatch(owner)
    return found and found[1]


def pointers_of(connection: Connection, run_id: str) -> dict[str, Pointer]:
    """Path in the folder of a run, or of an owner of ``owners_of_set``, -> its pointer.

    Raises:
        StoreError: a row is none that this program writes. It could lead out of the run's folder, or to another run's objects.
    """
    found = {}
    for row in connection.execute(select(_pointers).where(_pointers.c.run_id == run_id)):
        inside = row.object.startswith(f"{run_id}/") and all(_is_part(part) for part in row.object.split("/"))
        is_owner = RUN_ID.fullmatch(run_id) or _OF_SET.fullmatch(run_id)
        if not (is_owner and is_path(row.path) and inside and _SHA256.fullmatch(row.sha256) and row.size >= 0):
            raise StoreError(
                f"the store's table of artifacts names '{row.path[:80]!a}' in '{row.object[:80]!a}' for {run_id}, which no version of this "
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
    return [owner for owner in _owners_without_run(connection) if set_of_owner(owner) is None]


def shared_sets(connection: Connection) -> dict[str, SharedSet]:
    """Name -> the imported set of this name that the object store has. Raises StoreError: a row is none that this program writes."""
    found = {}
    for row in connection.execute(select(_sets)):
        if not (SET_NAME.fullmatch(row.name) and re.fullmatch(r"[0-9a-f]{32}", row.id) and _SHA256.fullmatch(row.digest)):
            raise StoreError(
                f"the store's table of imported sets names '{row.name[:80]!a}', which no version of this program writes. Nothing of it was read. "
                "Ask who else may write to the database"
            )
        found[row.name] = SharedSet(row.id, row.digest)
    return found


def write_set(connection: Connection, name: str, made: SharedSet) -> None:
    """Make a set visible to all machines; in the caller's transaction."""
    connection.execute(insert(_sets).values(name=name, id=made.id, digest=made.digest))


def forget_set(connection: Connection, set_id: str) -> None:
    """Take a set away from all machines; its pointers stay until its objects are removed."""
    connection.execute(delete(_sets).where(_sets.c.id == set_id))


def sets_without_row(connection: Connection) -> list[str]:
    """Ids of deleted sets whose objects are still to be removed."""
    there = {found.id for found in shared_sets(connection).values()}
    return sorted({found for owner in _owners_without_run(connection) if (found := set_of_owner(owner))} - there)


def _owners_without_run(connection: Connection) -> list[str]:
    """Owners of pointers that are no run: deleted runs, and imported sets."""
    runs = select(schema.runs.c.id)
    return list(connection.execute(select(_pointers.c.run_id).where(_pointers.c.run_id.not_in(runs)).distinct()).scalars())
