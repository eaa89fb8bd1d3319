"""Tables of the run store. Portable SQL; only ``sqlite_autoincrement`` is specific to SQLite."""

from __future__ import annotations

import json
import math
from typing import Any

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

SCHEMA_VERSION = 3

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
    Column("started_at", Float),  # claimed by a process
    Column("training_started_at", Float),  # data are prepared; the first step follows
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
    Column("owner_token", String(32)),  # new at each claim; a holder of an older token cannot write
    Column("progress_at", Float),  # last step or batch of the trainer; a separate thread writes heartbeat_at
    Column("seconds_before", Float, nullable=False, server_default="0"),  # seconds of training in attempts before started_at
    Column("resumed_step", Integer, nullable=False, server_default="0"),  # step at training_started_at
    Column("queue_rank", Float),  # lower is earlier; NULL counts as created_at
    Column("title", Text),  # given by a person; NULL for the config's title
    Column("note", Text, nullable=False, server_default=""),
    Column("tags", Text, nullable=False, server_default="[]"),  # JSON
    Column("pinned", Integer, nullable=False, server_default="0"),
    Column("archived", Integer, nullable=False, server_default="0"),
    Column("parent_id", String(64)),  # the run from which it was forked; it may be deleted
    Column("parent_epoch", Integer),
    Column("parent_step", Integer),
    Column("request_id", String(64)),  # id of the form's request: a second click on the same form finds this run
    Index("runs_by_request", "request_id", unique=True),
    sqlite_autoincrement=True,
)

scalars = Table(
    "scalars",
    metadata,
    Column("row", Integer, primary_key=True),  # grows with every write, also for a replaced value, so readers can ask for new rows
    Column("run_id", String(64), ForeignKey("runs.id"), nullable=False),
    Column("key", String(255), nullable=False),  # split/task/name
    Column("step", Integer, nullable=False),
    Column("epoch", Float, nullable=False),
    Column("value", Float),  # NULL is NaN
    Column("wall_time", Float, nullable=False),  # seconds since started_at
    Column("created_at", Float, nullable=False),
    UniqueConstraint("run_id", "key", "step"),  # the split is the first part of the key
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

# The tables below exist since version 3.

run_results = Table(
    "run_results",
    metadata,
    Column("run_id", String(64), ForeignKey("runs.id"), primary_key=True),
    Column("task", String(255), primary_key=True),
    Column("metric", String(255), primary_key=True),
    Column("split", String(16), primary_key=True),  # val or test
    Column("best", Float),
    Column("last", Float),
    Column("chosen", Float),  # with the checkpoint that is the best on val over all tasks
    Column("best_epoch", Float),
    Column("chosen_epoch", Float),
    Column("higher_is_better", Integer),  # NULL if unknown
)

studies = Table(
    "studies",
    metadata,
    Column("number", Integer, primary_key=True),  # order of creation
    Column("id", String(64), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("state", String(16), nullable=False),  # new, running or stopped; whether all cells have ended is said by their runs
    Column("base", Text, nullable=False),  # JSON: the base config
    Column("settings", Text, nullable=False),  # JSON: axes and the other settings of its kind
    Column("seeds", Text, nullable=False),  # JSON: list of seeds
    Column("precision", String(16)),  # of all cells; NULL until the first cell has measured it
    Column("layout", String(16)),
    Column("request_id", String(64), unique=True),  # id of the form's request: a second click finds this study
    sqlite_autoincrement=True,
)

study_runs = Table(
    "study_runs",
    metadata,
    Column("study_id", String(64), ForeignKey("studies.id"), primary_key=True),
    Column("cell", String(255), primary_key=True),
    Column("seed", Integer, primary_key=True),
    Column("run_id", String(64), ForeignKey("runs.id"), nullable=False, index=True),
    Column("is_reused", Integer, nullable=False, server_default="0"),  # the run existed before the study asked for it
    Column("resumptions", Integer, nullable=False, server_default="0"),  # how often the study resumed it after its process was gone
)


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
