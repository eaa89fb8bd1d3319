"""Tables of the run store. Portable SQL; what begins with ``sqlite_`` is specific to SQLite."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, create_mock_engine, text

from mtl_core.runs.sql.short_text import ReportedText, ShortText

SCHEMA_VERSION = 7
LEAST_LEASE = 15.0  # seconds, see ``leases``
LONGEST_REQUEST = 64  # characters
RUN_ID = ShortText(64, "the id of a run")
STUDY_ID = ShortText(64, "the id of a study")
SCALAR_KEY = ShortText(255, "the key of a scalar")
SHA256 = ShortText(64, "a SHA-256")

HELD_SLOT = "slot IS NOT NULL AND status IN ('running', 'pausing', 'paused', 'stopping')"  # the states in which a process holds a run

metadata = MetaData()

meta = Table(
    "meta", metadata, Column("key", ShortText(64, "the name of a setting of the store"), primary_key=True), Column("value", Text, nullable=False)
)

runs = Table(
    "runs",
    metadata,
    Column("number", Integer, primary_key=True),  # order of submission
    Column("id", RUN_ID, nullable=False, unique=True),
    Column("status", ShortText(16, "the state of a run"), nullable=False, index=True),
    Column("config", Text, nullable=False),  # JSON
    Column("created_at", Float, nullable=False),  # all times: seconds since 1970
    Column("started_at", Float),  # claimed by a process
    Column("training_started_at", Float),  # data are prepared; the first step follows
    Column("finished_at", Float),
    Column("step", Integer, nullable=False, default=0),
    Column("steps_total", Integer),
    Column("epoch", Float, nullable=False, default=0.0),
    Column("steps_per_second", Float),
    Column("info", Text, nullable=False, default="{}"),  # JSON
    Column("failure", ReportedText),  # JSON
    Column("device", ShortText(32, "the device of a run")),  # resolved, never 'auto'; NULL until known
    Column("owner_host", ShortText(255, "the name of a machine")),
    Column("owner_pid", Integer),
    Column("owner_started", Float),
    Column("heartbeat_at", Float),
    # since version 2
    Column("owner_token", ShortText(32, "the token of a claim")),  # new at each claim; a holder of an older token cannot write
    Column("progress_at", Float),  # last step or batch of the trainer; a separate thread writes heartbeat_at
    Column("seconds_before", Float, nullable=False, server_default="0"),  # seconds of training in attempts before started_at
    Column("resumed_step", Integer, nullable=False, server_default="0"),  # step at training_started_at
    Column("queue_rank", Float),  # lower is earlier; NULL counts as created_at
    Column("title", Text),  # given by a person; NULL for the config's title
    Column("note", Text, nullable=False, server_default=""),
    Column("tags", Text, nullable=False, server_default="[]"),  # JSON
    Column("pinned", Integer, nullable=False, server_default="0"),
    Column("archived", Integer, nullable=False, server_default="0"),
    Column("parent_id", RUN_ID),  # the run from which it was forked; it may be deleted
    Column("parent_epoch", Integer),
    Column("parent_step", Integer),
    Column(
        "request_id", ShortText(LONGEST_REQUEST, "the id of a request")
    ),  # id of the form's request: a second click on the same form finds this run
    Index("runs_by_request", "request_id", unique=True),
    # since version 4
    Column("last_row", Integer, nullable=False, server_default="0"),  # number of the newest row in ``points``
    Index("runs_by_end", "finished_at"),
    Index("runs_by_parent", "parent_id"),
    # since version 6
    Column(
        "slot", ShortText(300, "the name of a machine with a device")
    ),  # host and device of a claim that wants the device alone; NULL for other claims
    Column("lease_seconds", Float, nullable=False, server_default=str(LEAST_LEASE)),  # how long the holder may be silent
    Index("runs_by_slot", "slot", unique=True, sqlite_where=text(HELD_SLOT), postgresql_where=text(HELD_SLOT)),
    sqlite_autoincrement=True,
)

points = Table(  # since version 4; earlier versions had one row for each value
    "points",
    metadata,
    Column("run", Integer, ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    Column("row", Integer, primary_key=True, autoincrement=False),  # counted by the run's writer, so that no reader of "rows after" misses one
    Column("step", Integer, nullable=False),
    Column("epoch", Float, nullable=False),
    Column("wall_time", Float, nullable=False),  # seconds since started_at
    Column("key_set", Integer, ForeignKey("key_sets.number"), nullable=False),
    Column("packed", LargeBinary, nullable=False),  # the values of the set's keys, little-endian float64
    Index("points_by_step", "run", "step"),
    sqlite_with_rowid=False,  # a run's rows lie side by side
)

key_sets = Table(
    "key_sets",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("digest", SHA256, nullable=False, unique=True),  # sha256 of the next column, because an index takes no long text
    Column("scalar_keys", Text, nullable=False),  # JSON: list of scalar keys, split/task/name
)

scalar_keys = Table(
    "scalar_keys",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("key", SCALAR_KEY, nullable=False, unique=True),
)

log = Table(
    "log",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run_id", RUN_ID, ForeignKey("runs.id"), nullable=False, index=True),
    Column("time", Float, nullable=False),
    Column("level", ShortText(16, "the level of a line of a log"), nullable=False),
    Column("text", ReportedText, nullable=False),
)

controls = Table(
    "controls",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("run_id", RUN_ID, ForeignKey("runs.id"), nullable=False, index=True),
    Column("kind", ShortText(16, "the kind of a request to a run"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("applied_at", Float),
    Column("payload", Text),  # JSON; since version 2
)

run_results = Table(  # since version 4 in this form
    "run_results",
    metadata,
    Column("run", Integer, ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    Column("key", Integer, ForeignKey("scalar_keys.number"), primary_key=True, autoincrement=False),
    Column("best", Float),
    Column("last", Float),
    Column("chosen", Float),  # with the checkpoint that is the best on val over all tasks
    Column("best_epoch", Float),
    Column("chosen_epoch", Float),
    Column("higher_is_better", Integer),  # NULL if unknown
    # since version 5; NULL for keys whose mean nobody reads, and in runs that an earlier version wrote
    Column("mean", Float),  # of the finite values over the run
    Column("points", Integer),  # number of these values
    Index("results_by_key", "key", "run"),
    sqlite_with_rowid=False,
)

run_facts = Table(  # since version 4: what lists filter and sort by, made from the run's config, tags and title
    "run_facts",
    metadata,
    Column("run", Integer, ForeignKey("runs.number"), primary_key=True, autoincrement=False),
    Column("is_readable", Integer, nullable=False),  # 0: the program that wrote the row could not read the config
    Column("name", Text, nullable=False),
    Column("subtitle", Text, nullable=False),
    Column("common", Text, nullable=False),  # what the runs of its race have in common; empty outside a race
    Column("data", Text, nullable=False),
    Column("tasks", Text, nullable=False),  # JSON
    Column("backbone", Text, nullable=False),
    Column("balancing", Text, nullable=False),
    Column("fingerprint", SHA256, nullable=False, index=True),
    Column("search", Text, nullable=False),  # name, id, note, tags, tasks, backbone, balancing; small letters
)

# The tables below exist since version 3.

studies = Table(
    "studies",
    metadata,
    Column("number", Integer, primary_key=True),  # order of creation
    Column("id", STUDY_ID, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column(
        "state", ShortText(16, "the state of a study"), nullable=False
    ),  # new, running or stopped; whether all cells have ended is said by their runs
    Column("base", Text, nullable=False),  # JSON: the base config
    Column("settings", Text, nullable=False),  # JSON: axes and the other settings of its kind
    Column("seeds", Text, nullable=False),  # JSON: list of seeds
    Column("precision", ShortText(16, "the precision of a study")),  # of all cells; NULL until the first cell has measured it
    Column("layout", ShortText(16, "the layout of a study")),
    Column("request_id", ShortText(LONGEST_REQUEST, "the id of a request"), unique=True),  # id of the form's request: a second click finds this study
    sqlite_autoincrement=True,
)

study_runs = Table(
    "study_runs",
    metadata,
    Column("study_id", STUDY_ID, ForeignKey("studies.id"), primary_key=True),
    Column("cell_digest", SHA256, primary_key=True, default=lambda row: digest_of(row.get_current_parameters()["cell"])),  # since version 7
    Column("cell", Text, nullable=False),
    Column("seed", Integer, primary_key=True),
    Column("run_id", RUN_ID, ForeignKey("runs.id"), nullable=False, index=True),
    Column("is_reused", Integer, nullable=False, server_default="0"),  # the run existed before the study asked for it
    Column("resumptions", Integer, nullable=False, server_default="0"),  # how often the study resumed it after its process was gone
)


def create_sqlite_tables(connection: Connection) -> None:
    """Create all tables and indexes in an empty SQLite file."""
    for statement in _sqlite_statements():
        connection.exec_driver_sql(statement)


@cache
def _sqlite_statements() -> tuple[str, ...]:
    """What ``metadata.create_all`` executes. To make the text of the statements takes longer than to execute them."""
    made: list[str] = []
    engine = create_mock_engine("sqlite://", lambda statement, *_: made.append(str(statement.compile(dialect=engine.dialect))))
    metadata.create_all(engine, checkfirst=False)
    return tuple(made)


def request_key(request_id: str | None) -> str | None:
    """The id of a request as the store holds it: a longer one, as with a task's name in it, becomes its SHA-256."""
    return request_id if request_id is None or len(request_id) <= LONGEST_REQUEST else digest_of(request_id)


def digest_of(text: str) -> str:
    """The SHA-256 of a text, for an index in the text's place: an index of PostgreSQL takes no long text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def to_json(value: Any) -> str:
    """Strict JSON: NaN and infinities, which JSON cannot express, become null."""
    return json.dumps(finite(value), allow_nan=False, ensure_ascii=False)


def finite(value: Any) -> Any:
    """The plain value with None for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
