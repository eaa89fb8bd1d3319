"""Commands that list and show: ``presets``, ``runs``, ``data``. None of them imports torch. Commands that change runs are in ``library``."""

from __future__ import annotations

from typing import Any

import click

from mtl_core.cli.import_commands import check_data, delete_data, import_data, send_data, share_sets, show_data
from mtl_core.cli.output import (
    JSON,
    checkpoint_as_json,
    emit,
    emit_data,
    emit_json,
    emit_table,
    headline,
    metrics_table,
    moment,
    run_as_json,
    say,
)
from mtl_core.config_sections import PartConfig
from mtl_core.csv_text import csv_of
from mtl_core.durations import duration
from mtl_core.errors import ConfigError
from mtl_core.runs.resume_and_fork import forkable
from mtl_core.runs.run_reading import unread_words
from mtl_core.runs.run_record import Run
from mtl_core.runs.store import open_store
from mtl_core.training.checkpoint_files import KeptCheckpoint


@click.command()
@JSON
def presets(as_json: bool) -> None:
    """List the presets that 'train --preset NAME' takes: name, then title."""
    from mtl_core.presets import load_presets

    found = load_presets()
    if as_json:
        emit_json([{"name": p.name, "title": p.title, "group": p.group, "shows": p.shows, "measured": p.measured} for p in found])
        return
    width = max((len(preset.name) for preset in found), default=0)
    emit("\n".join(f"{preset.name:{width}}  {preset.title}" for preset in found))


@click.group(invoke_without_command=True)
@JSON
@click.option("--all", "with_archived", is_flag=True, help="List archived runs, too.")
@click.pass_context
def runs(context: click.Context, as_json: bool, with_archived: bool) -> None:
    """List the runs in MTL_HOME (default ./runs), pinned runs first, then the newest. The subcommands show or change single runs."""
    if context.invoked_subcommand is not None:
        if as_json or with_archived:
            raise click.UsageError(f"put {'--json' if as_json else '--all'} after '{context.invoked_subcommand}'")
        return
    store = open_store()
    every = store.runs()
    found = sorted((run for run in every if with_archived or not run.archived), key=lambda run: not run.pinned)
    unread = unread_words(store.unread())
    if unread:
        say(unread)
    if as_json:
        emit_json([run_as_json(run) for run in found])
    elif not every and unread:
        return
    elif not every:
        emit(f"No runs yet in {store.home}. Start one with 'train --preset NAME'; 'presets' lists the names.")
    elif not found:
        only = f"The only run in {store.home} is archived; 'runs --all' lists it."
        emit(only if len(every) == 1 else f"All {len(every)} runs in {store.home} are archived; 'runs --all' lists them.")
    else:
        columns = ("run", "status", "done", "took", "created", "device", "name", "marks", "forked from")
        emit_table(columns, map(_row, found), numbers=("done",), cut="name")


def _row(run: Run) -> tuple[str, ...]:
    marks = ", ".join((*(name for name in ("pinned", "archived") if getattr(run, name)), *run.tags))
    parent = f"{run.parent} epoch {run.parent_epoch}" if run.parent else ""
    return run.id, run.status.value, f"{run.progress:.0%}", duration(run.seconds), moment(run.created_at), run.device, run.name, marks, parent


@runs.command()
@click.argument("run_id", metavar="RUN")
@JSON
def show(run_id: str, as_json: bool) -> None:
    """Show config, status, and best and last value of every metric of RUN (its id, or the beginning of the id)."""
    store = open_store()
    run = store.get(run_id)
    summary, kept = store.summary(run.id), forkable(store, run.id)
    if as_json:
        failure = {name: run.failure[name] for name in ("kind", "message", "cure")} if run.failure else None
        more = {"config": run.config.to_dict(), "metrics": summary, "failure": failure, "info": run.info}
        more["kept"] = [checkpoint_as_json(checkpoint) for checkpoint in kept]
        emit_json({**run_as_json(run), **more, "folder": str(store.folder(run.id))})
        return
    emit("\n".join([headline(run), *_remarks(run, kept)]))
    if run.failure:
        emit(f"\n{run.failure['message']}\n{run.failure['cure']}\nThe full log is in {store.folder(run.id) / 'log.txt'}")
    emit(f"\n{run.config.to_yaml()}")
    metrics_table(summary)


def _remarks(run: Run, kept: list[KeptCheckpoint]) -> list[str]:
    """Lines on a run: precision in use, parent, tags, note, kept epochs, marks."""
    info = run.info or {}
    lines = {
        "precision": info.get("precision", ""),
        "forked from": f"{run.parent} after epoch {run.parent_epoch}" if run.parent else "",
        "tags": ", ".join(run.tags),
        "note": run.note,
        "kept epochs": ", ".join(_kept_in_words(checkpoint) for checkpoint in kept),
        "marks": ", ".join(name for name in ("pinned", "archived") if getattr(run, name)),
    }
    return [f"{name}: {text}" for name, text in lines.items() if text]


def _kept_in_words(checkpoint: KeptCheckpoint) -> str:
    marks = ["best on val"] if checkpoint.is_best else []
    marks += [f"best of {task}" for task in checkpoint.best_of]
    return f"{checkpoint.epoch} ({', '.join(marks)})" if marks else str(checkpoint.epoch)


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with every digit instead of a table.")
def scalars(run_id: str, as_csv: bool) -> None:
    """Print every recorded value of RUN: step, epoch, key, value, and wall_time in seconds since its start."""
    store = open_store()
    frame = store.scalars(store.get(run_id).id)[["step", "epoch", "key", "value", "wall_time"]]
    if as_csv:
        emit_data(csv_of(frame))
    else:
        emit(frame.to_string(index=False) if len(frame) else "nothing recorded")


@click.group()
def data() -> None:
    """List, check, import, show and delete data sets."""


for command in (check_data, import_data, show_data, send_data, delete_data):
    data.add_command(command)


_TASKS_SHOWN = 4  # more would leave no room for the names; --json has all


def _tasks_of(source: dict[str, Any]) -> str:
    tasks = [f"{task['name']} ({task['kind']})" for task in source["tasks"]]
    more = len(tasks) - _TASKS_SHOWN
    return ", ".join(tasks[:_TASKS_SHOWN]) + (f", and {more} more" if more > 0 else "")


@data.command("list")
@JSON
def list_data(as_json: bool) -> None:
    """List the data sets: name, title, tasks; then the imported ones, for 'data: {name: imported, set: ...}'."""
    from mtl_core.data import DATA_SOURCES
    from mtl_core.data.imports import imported

    share_sets()
    found = [_source(name) for name in DATA_SOURCES]
    found += [_imported(one) for one in imported()]
    if as_json:
        emit_json(found)
        return
    emit_table(("name", "title", "tasks"), [(s["name"], s["title"], _tasks_of(s)) for s in found], cut="tasks")


def _imported(one: Any) -> dict[str, Any]:
    tasks = [{"name": task.name, "kind": task.kind} for task in one.tasks]
    title = f"imported, {sum(one.split_sizes.values()):,} images"
    return {"name": one.name, "title": title, "summary": one.path, "tasks": tasks, "data": {"name": "imported", "set": one.name}}


def _source(name: str) -> dict[str, Any]:
    from mtl_core.data import DATA_SOURCES, open_source

    source_class = DATA_SOURCES.load(name)
    try:
        tasks = [{"name": task.name, "kind": task.kind} for task in open_source(PartConfig(name=name)).offered_tasks()]
    except ConfigError:  # the source has options without a default, so its tasks are not known yet
        tasks = []
    return {"name": name, "title": source_class.title, "summary": source_class.summary, "tasks": tasks}
