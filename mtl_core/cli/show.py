"""Commands that only read: ``presets``, ``runs``, ``data``. None of them imports torch."""

from __future__ import annotations

from typing import Any

import click

from mtl_core.cli.output import duration, emit, emit_json, emit_table, headline, metrics_table, moment
from mtl_core.config import PartConfig
from mtl_core.errors import ConfigError
from mtl_core.runs.run import Run
from mtl_core.runs.store import open_store

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.command()
@_JSON
def presets(as_json: bool) -> None:
    """List the presets that 'train --preset NAME' takes: name, then title."""
    from mtl_core.presets import load_presets

    found = load_presets()
    if as_json:
        emit_json([{"name": p.name, "title": p.title, "shows": p.shows, "measured": p.measured} for p in found])
        return
    width = max((len(preset.name) for preset in found), default=0)
    emit("\n".join(f"{preset.name:{width}}  {preset.title}" for preset in found))


@click.group(invoke_without_command=True)
@_JSON
@click.pass_context
def runs(context: click.Context, as_json: bool) -> None:
    """List the runs in MTL_HOME (default ./runs), newest first, or look at one."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"put --json after '{context.invoked_subcommand}'")
        return
    store = open_store()
    found = store.runs()
    if as_json:
        emit_json([_described(run) for run in found])
    elif not found:
        emit(f"No runs yet in {store.home}. Start one with 'train --preset NAME'; 'presets' lists the names.")
    else:
        rows = [
            (run.id, run.status.value, f"{run.progress:.0%}", duration(run.seconds), moment(run.created_at), run.device, run.name) for run in found
        ]
        emit_table(("run", "status", "done", "took", "created", "device", "name"), rows, numbers=("done",))


@runs.command()
@click.argument("run_id", metavar="RUN")
@_JSON
def show(run_id: str, as_json: bool) -> None:
    """Config, status, and best and last of every metric of RUN (its id, or how that begins)."""
    store = open_store()
    run = store.get(run_id)
    summary = store.summary(run.id)
    if as_json:
        failure = {name: run.failure[name] for name in ("kind", "message", "cure")} if run.failure else None
        more = {"config": run.config.to_dict(), "metrics": summary, "failure": failure, "info": run.info}
        emit_json({**_described(run), **more, "folder": str(store.folder(run.id))})
        return
    emit(headline(run))
    if run.failure:
        emit(f"\n{run.failure['message']}\n{run.failure['cure']}\nThe full log is in {store.folder(run.id) / 'log.txt'}")
    emit(f"\n{run.config.to_yaml()}")
    metrics_table(summary)


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, every digit; without it a table to read.")
def scalars(run_id: str, as_csv: bool) -> None:
    """Every recorded value of RUN: step, epoch, key, value, and wall_time in seconds since its start."""
    store = open_store()
    frame = store.scalars(store.get(run_id).id)[["step", "epoch", "key", "value", "wall_time"]]
    if as_csv:
        emit(frame.to_csv(index=False, lineterminator="\n"))
    else:
        emit(frame.to_string(index=False) if len(frame) else "nothing recorded yet")


@click.group()
def data() -> None:
    """Data sets that can be trained on."""


@data.command("list")
@_JSON
def list_data(as_json: bool) -> None:
    """List the data sets: name, title, tasks."""
    from mtl_core.data import DATA_SOURCES

    found = [_source(name) for name in DATA_SOURCES]
    if as_json:
        emit_json(found)
        return
    emit_table(("name", "title", "tasks"), [(s["name"], s["title"], ", ".join(f"{t['name']} ({t['kind']})" for t in s["tasks"])) for s in found])


def _source(name: str) -> dict[str, Any]:
    from mtl_core.data import DATA_SOURCES, open_source

    source_class = DATA_SOURCES.load(name)
    try:
        tasks = [{"name": task.name, "kind": task.kind} for task in open_source(PartConfig(name=name)).tasks()]
    except ConfigError:  # it has options without a default, so its tasks are not known yet
        tasks = []
    return {"name": name, "title": source_class.title, "summary": source_class.summary, "tasks": tasks}


def _described(run: Run) -> dict[str, Any]:
    plain = ("name", "step", "steps_total", "epoch", "epochs", "steps_per_second", "seconds", "device", "created_at", "started_at", "finished_at")
    return {"run": run.id, "status": run.status.value, **{name: getattr(run, name) for name in plain}}
