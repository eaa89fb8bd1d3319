"""A race: the same config and seed, queued once per balancing method; a tag joins its runs. Imports no torch until a method is loaded."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import select, update

from mtl_core.atomic_files import write_text
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.cost import cost_of
from mtl_core.config import RunConfig
from mtl_core.config_sections import PartConfig
from mtl_core.errors import ConfigError, Problem
from mtl_core.run_names import LONGEST, RACE_TAG, SEPARATOR, typed_name
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.run_facts import write_facts
from mtl_core.runs.store import RunStore

MOST = 12  # a reader cannot tell more lines in one chart apart


def configs(base: RunConfig, methods: Iterable[str]) -> dict[str, RunConfig]:
    """The config of each method, in the given order: ``base`` with the method at its default options. The method of ``base`` keeps its options.

    A name that a person typed follows the method's title; without one, the name is made from the settings (``mtl_core.run_names``).

    Args:
        methods: names of balancing methods; duplicates are dropped.

    Raises:
        ConfigError: a method does not exist, or there are fewer than two or more than ``MOST`` methods.
    """
    wanted = list(dict.fromkeys(methods))
    titles = {name: BALANCERS.load(name, "methods").title for name in wanted}
    if not 2 <= len(wanted) <= MOST:
        raise ConfigError(Problem("methods", f"expected 2 to {MOST} different methods to race, found {len(wanted)}"))
    typed = typed_name(base)
    return {
        method: base.model_copy(
            update={
                "name": f"{titles[method]}{SEPARATOR}{typed}"[:LONGEST] if typed else "",
                "balancing": base.balancing if method == base.balancing.name else PartConfig(name=method),
            }
        )
        for method in wanted
    }


def start(store: RunStore, base: RunConfig, methods: Iterable[str], request_id: str | None = None) -> str:
    """Queue one run per method and return the race's id. This starts no worker: see ``jobs.start_worker``.

    Args:
        request_id: id of the request; a second call with the same id makes no second set of runs.

    Raises:
        ConfigError: see ``configs``; nothing is queued then.
        StoreError: a run cannot be written. A second call with the same ``request_id`` makes only the missing runs.
    """
    race = _new_id(store)
    for method, config in configs(base, methods).items():
        request = f"{request_id}.{method}" if request_id else None
        # The tag is written together with the run, so that no reader sees a run of a race without it.
        run = store.create(config, request_id=request, columns={"tags": json.dumps([race])})
        race = race_in(run.tags) or race  # if an earlier click made this run, the others join its race
    return race


def settle(store: RunStore, run_id: str, precision: str, layout: str) -> tuple[str, str]:
    """Precision and layout for a run whose config has ``auto`` for one of them: equal for all runs of its race.

    The first run of a race that has measured decides, and its result is written into the configs of all runs. Runs of other processes that start at
    the same time adopt it: reading and writing are one transaction.

    Args:
        precision, layout: the values measured for this run.
    """
    measured = {"precision": precision, "layout": layout}
    with store.database.write() as connection:
        own = connection.execute(select(schema.runs.c.tags).where(schema.runs.c.id == run_id)).scalar()
        race = race_in(json.loads(own or "[]"))
        if race is None:
            return precision, layout
        rows = connection.execute(_of_race(schema.runs.c.id, schema.runs.c.config, schema.runs.c.info, race=race)).all()
        configs, infos = {row.id: json.loads(row.config) for row in rows}, {row.id: json.loads(row.info or "{}") for row in rows}
        settled = {key: _known(key, configs, infos) or value for key, value in measured.items()}
        written = [each for each, config in configs.items() if _fill_auto(config, settled)]
        for each in written:
            connection.execute(update(schema.runs).where(schema.runs.c.id == each).values(config=schema.to_json(configs[each])))
            write_facts(connection, each)
    for each in written:
        with contextlib.suppress(OSError):  # a copy for people; the run may be deleted at this moment
            write_text(store.place(each) / "config.yaml", RunConfig.from_stored(configs[each]).to_yaml())
    if written:
        store.note(run_id, "info", f"all runs of {race} are computed in {settled['precision']}, {settled['layout']}")
    return configs[run_id]["precision"], configs[run_id]["layout"]


def _known(key: str, configs: dict[str, dict[str, Any]], infos: dict[str, dict[str, Any]]) -> str | None:
    """The value of the first run that has started, else of the first config that is not ``auto``; None if there is neither."""
    begun = [info[key] for info in infos.values() if key in info]
    said = [config[key] for config in configs.values() if config.get(key, "auto") != "auto"]
    return next(iter([*begun, *said]), None)


def _fill_auto(config: dict[str, Any], settled: dict[str, str]) -> bool:
    """Replace ``auto`` in a config by the settled values. Returns whether anything changed."""
    left = {key: value for key, value in settled.items() if config.get(key, "auto") == "auto"}
    config.update(left)
    return bool(left)


def _of_race(*columns: Any, race: str) -> Any:
    return select(*columns).where(schema.runs.c.tags.contains(f'"{race}"')).order_by(schema.runs.c.number)


def race_in(tags: Sequence[str]) -> str | None:
    """The race id among these tags; None if there is none."""
    return next((tag for tag in tags if RACE_TAG.fullmatch(tag)), None)


def runs_of(store: RunStore, race: str) -> list[Run]:
    """The runs of a race in queue order; empty if there are none (any more)."""
    if not RACE_TAG.fullmatch(race):
        return []
    with store.database.read() as connection:
        ids = connection.execute(_of_race(schema.runs.c.id, race=race)).scalars().all()
    return [store.get(run_id) for run_id in ids]


def _new_id(store: RunStore) -> str:
    """A new race id: short, because people type it; longer only if the short ones are taken."""
    size = 2
    while runs_of(store, race := f"race-{secrets.token_hex(size)}"):
        size += 1
    return race


def relative_cost(balancing: PartConfig) -> float:
    """Measured time of a step relative to fixed weights; 1 for a method that was not measured."""
    cost = cost_of(balancing.name)
    if cost is None:
        return 1.0
    where = balancing.options.get("gradients", "parameters")
    return {"features": cost.features, "blocks": cost.blocks}.get(where) or cost.parameters


def seconds_left(runs: Sequence[Run]) -> float | None:
    """Estimated seconds until the last run ends if they train one after the other, from the pace of the runs that have started.

    None while no run has started, or if all have ended.
    """
    expected = {run.id: run.seconds + (run.eta_seconds or 0.0) for run in runs if str(run.status) == "finished" or run.eta_seconds is not None}
    waiting = [run for run in runs if not run.status.is_ended()]
    if not expected or not waiting:
        return None
    plain = [expected[run.id] / relative_cost(run.config.balancing) for run in runs if run.id in expected]
    per_cost = sum(plain) / len(plain)
    return sum(run.eta_seconds if run.eta_seconds is not None else per_cost * relative_cost(run.config.balancing) for run in waiting)
