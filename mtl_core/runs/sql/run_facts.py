"""Facts about each run that lists filter, sort and search by, made from its config, tags and title, in a narrow table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from mtl_core.config_fingerprint import fingerprint
from mtl_core.errors import StoreError
from mtl_core.run_names import RACE_TAG, name_without_method
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.run_rows import config_of, name_of

CHECKED = 3  # of the newest runs
REPORT_SECONDS = 2.0
_runs, _facts = schema.runs, schema.run_facts
_SOURCES = (_runs.c.number, _runs.c.id, _runs.c.config, _runs.c.title, _runs.c.tags, _runs.c.note)


def write_facts(connection: Connection, run_id: str) -> None:
    """Write a run's facts anew, in the transaction that changes its config, title, note or tags."""
    row = connection.execute(select(*_SOURCES).where(_runs.c.id == run_id)).first()
    if row is not None:
        _replace(connection, [_facts_of(row)])


def refresh_facts(connection: Connection, report: Callable[[float], None] = lambda share: None) -> None:
    """Write the facts of runs that have none, and of all runs if this version of the program makes other facts than those that are stored.

    The newest runs tell: a version with another setting, another preset or other words for names makes other facts of them.

    Args:
        report: called with the share that is done, every few seconds.
    """
    newest = connection.execute(select(*_SOURCES).order_by(_runs.c.number.desc()).limit(CHECKED)).all()
    stored = connection.execute(select(_facts).where(_facts.c.run.in_([row.number for row in newest]))).mappings()
    are_equal = {row["run"]: dict(row) for row in stored} == {row.number: _facts_of(row) for row in newest}
    numbers = select(_runs.c.number).order_by(_runs.c.number)
    if are_equal:
        numbers = numbers.where(_runs.c.number.not_in(select(_facts.c.run)))
    wanted = list(connection.execute(numbers).scalars())
    reported = time.monotonic()
    for start in range(0, len(wanted), 100):
        some = select(*_SOURCES).where(_runs.c.number.in_(wanted[start : start + 100]))
        _replace(connection, [_facts_of(row) for row in connection.execute(some)])
        if time.monotonic() - reported > REPORT_SECONDS:
            report(start / len(wanted))
            reported = time.monotonic()


def _replace(connection: Connection, facts: Sequence[dict[str, Any]]) -> None:
    connection.execute(delete(_facts).where(_facts.c.run.in_([each["run"] for each in facts])))
    connection.execute(insert(_facts), facts)


def _facts_of(row: Row) -> dict[str, Any]:
    """The columns of ``run_facts``. A run whose config this version cannot read keeps its place, without facts."""
    nothing = dict.fromkeys(("subtitle", "common", "data", "backbone", "balancing", "fingerprint"), "")
    tags = tuple(json.loads(row.tags))
    try:
        config = config_of(row.config, row.id)
    except StoreError:
        return {"run": row.number, "is_readable": 0, "name": row.title or row.id, **nothing, "tasks": "[]", "search": row.id}
    name, backbone, balancing = name_of(row.config, row.id, tags, row.title or ""), config.backbone.name, config.balancing.name
    return {
        "run": row.number,
        "is_readable": 1,
        "name": name.title,
        "subtitle": name.subtitle,
        "common": name_without_method(config) if any(RACE_TAG.fullmatch(tag) for tag in tags) else "",
        "data": config.data.own_name,
        "tasks": json.dumps(list(config.tasks), ensure_ascii=False),
        "backbone": backbone,
        "balancing": balancing,
        "fingerprint": fingerprint(config),
        "search": " ".join([name.in_full, row.id, row.note, *tags, *config.tasks, backbone, balancing]).lower(),
    }
