"""Lists of runs: filtered, sorted and cut into pages by the database, which reads narrow rows only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, case, func, select

from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.status import RunStatus

_runs, _facts, _results, _keys = schema.runs, schema.run_facts, schema.run_results, schema.scalar_keys
METRIC_VALUES = ("best", "last", "chosen")  # what of a metric a list can be sorted by
COLUMNS = ("created", "name", "status", "epochs", "time", "data", "backbone", "balancing")  # what else
SEPARATOR = " of "


@dataclass(frozen=True)
class RunQuery:
    """Which runs, in which order. An empty filter matches every run; pinned runs come first in any order.

    Attributes:
        text: words that must all occur in the run's name, id, note, tags, tasks, backbone or balancing.
        archived: whether archived runs are among them.
        sort: one of ``COLUMNS``, or the value of a metric, such as ``best of val/digit/accuracy``. Runs without the value come last.
    """

    text: str = ""
    statuses: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    archived: bool = False
    sort: str = "created"
    descending: bool = True


@dataclass(frozen=True)
class ListedFacts:
    """What lists and links need to know about a run. ``created_at`` in seconds since 1970; ``step``: completed steps; ``common``: what the runs
    of its race have in common."""

    id: str
    name: str
    subtitle: str
    created_at: float
    pinned: bool
    archived: bool
    parent: str | None
    tags: tuple[str, ...]
    step: int
    common: str
    data: str
    tasks: tuple[str, ...]


def ids_of(connection: Connection, query: RunQuery, offset: int = 0, limit: int | None = None) -> list[str]:
    """Ids of the runs that match, in the order that the query asks for, from ``offset`` on."""
    value = _sorted_by(query.sort)
    wanted = select(_runs.c.id).select_from(_source(query.sort)).where(*_conditions(query))
    direction = value.desc() if query.descending else value.asc()
    ordered = wanted.order_by(_runs.c.pinned.desc(), case((value.is_(None), 1), else_=0), direction, _runs.c.number.desc())
    return list(connection.execute(ordered.offset(offset).limit(limit)).scalars())


def count_of(connection: Connection, query: RunQuery) -> int:
    """How many runs match."""
    counted = select(func.count()).select_from(_runs.join(_facts, _facts.c.run == _runs.c.number)).where(*_conditions(query))
    return connection.execute(counted).scalar_one()


def choices_of(connection: Connection) -> tuple[list[str], list[str]]:
    """The states and the data sets that occur, for filters."""
    statuses = connection.execute(select(_runs.c.status).distinct()).scalars()
    data = connection.execute(select(_facts.c.data).where(_facts.c.is_readable == 1).distinct()).scalars()
    return sorted(statuses), sorted(data)


def facts_of(connection: Connection) -> list[ListedFacts]:
    """Facts about every run, newest first."""
    names = ("id", "created_at", "pinned", "archived", "parent_id", "tags", "step")
    made = ("name", "subtitle", "common", "data", "tasks")
    columns = [*(_runs.c[name] for name in names), *(_facts.c[name] for name in made)]
    joined = _runs.join(_facts, _facts.c.run == _runs.c.number)
    rows = connection.execute(select(*columns).select_from(joined).where(_facts.c.is_readable == 1).order_by(_runs.c.number.desc()))
    return [_listed(tuple(row)) for row in rows]


def last_ended(connection: Connection) -> str | None:
    """Id of the run that ended last and is not archived."""
    others = [status.value for status in RunStatus if not status.is_ended()]  # "not in", because SQLite would sort all that are found by their state
    wanted = select(_runs.c.id).where(_runs.c.status.not_in(others), _runs.c.archived == 0, _runs.c.finished_at.is_not(None))
    return connection.execute(wanted.order_by(_runs.c.finished_at.desc(), _runs.c.number.desc()).limit(1)).scalar()


def metric_sort(value: str, key: str) -> str:
    """The ``sort`` of a query by the ``best``, ``last`` or ``chosen`` value of a scalar key."""
    return f"{value}{SEPARATOR}{key}"


def _listed(row: tuple[Any, ...]) -> ListedFacts:
    run_id, created_at, pinned, archived, parent, tags, step, name, subtitle, common, data, tasks = row
    return ListedFacts(run_id, name, subtitle, created_at, bool(pinned), bool(archived), parent, _words(tags), step, common, data, _words(tasks))


@lru_cache(maxsize=1024)  # many runs have the same
def _words(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _conditions(query: RunQuery) -> list[Any]:
    found = [_facts.c.is_readable == 1, *(_facts.c.search.contains(word, autoescape=True) for word in query.text.lower().split())]
    if query.statuses:
        found.append(_runs.c.status.in_(query.statuses))
    if query.data:
        found.append(_facts.c.data.in_(query.data))
    if not query.archived:
        found.append(_runs.c.archived == 0)
    return found


def _source(sort: str) -> Any:
    joined = _runs.join(_facts, _facts.c.run == _runs.c.number)
    if _is_metric(sort):
        number: Select[Any] = select(_keys.c.number).where(_keys.c.key == sort.partition(SEPARATOR)[2])
        joined = joined.outerjoin(_results, (_results.c.run == _runs.c.number) & (_results.c.key == number.scalar_subquery()))
    return joined


def _sorted_by(sort: str) -> Any:
    if _is_metric(sort):
        return _results.c[sort.partition(SEPARATOR)[0]]
    took = _runs.c.seconds_before + func.coalesce(func.coalesce(_runs.c.finished_at, store_time()) - _runs.c.started_at, 0.0)
    columns = {"name": func.lower(_facts.c.name), "status": _runs.c.status, "epochs": _runs.c.epoch, "time": took}
    columns |= {name: _facts.c[name] for name in ("data", "backbone", "balancing")}
    return columns.get(sort, _runs.c.number)


def _is_metric(sort: str) -> bool:
    return sort.partition(SEPARATOR)[0] in METRIC_VALUES and SEPARATOR in sort
