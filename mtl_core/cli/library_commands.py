"""Commands that manage runs: rename, note, tag, pin, archive, move, interrupt, delete, export, import, prune, send. None of them imports torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mtl_core.cli.output import emit, emit_sent, headline, say
from mtl_core.errors import NotPossibleError
from mtl_core.runs import actions, claims
from mtl_core.runs.objects.set_transfer import megabytes
from mtl_core.runs.run_record import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store

_RUN = click.argument("run_id", metavar="RUN")
_ENDED = [status.value for status in RunStatus if status.is_ended()]
_RUNS = click.argument("run_ids", metavar="RUN...", nargs=-1, required=True)


@click.command()
@_RUNS
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(run_ids: tuple[str, ...], yes: bool) -> None:
    """Delete runs and their folders permanently; names each and asks first. A run that trains is not deleted. Forks stay complete."""
    store = open_store()
    found = _find_all(store, run_ids)
    if not yes:
        _confirm(found)
    for run in found:
        actions.delete_run(store, run.id)
        emit(f"deleted {run.id}  {run.name}")


def _confirm(found: list[Run]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("'delete' asks for confirmation, and standard input is no terminal; add --yes")
    for run in found:
        say(headline(run))
    click.confirm(f"Delete {'this run' if len(found) == 1 else f'these {len(found)} runs'} and all files of it for good?", abort=True, err=True)


@click.command()
@_RUNS
def archive(run_ids: tuple[str, ...]) -> None:
    """Hide runs from the lists; their files stay."""
    _each(run_ids, actions.archive, "archived")


@click.command()
@_RUNS
def unarchive(run_ids: tuple[str, ...]) -> None:
    """Show archived runs in the lists again."""
    _each(run_ids, lambda store, run_id: actions.archive(store, run_id, False), "listed again")


@click.command()
@_RUNS
def pin(run_ids: tuple[str, ...]) -> None:
    """Keep runs at the top of every list."""
    _each(run_ids, actions.pin, "pinned")


@click.command()
@_RUNS
def unpin(run_ids: tuple[str, ...]) -> None:
    """Unpin runs."""
    _each(run_ids, lambda store, run_id: actions.pin(store, run_id, False), "no longer pinned")


@click.command()
@_RUN
@click.argument("title")
def rename(run_id: str, title: str) -> None:
    """Rename RUN; an empty title restores the name made from its settings."""
    run = actions.rename(open_store(), run_id, title)
    emit(f"{run.id}  is now called {run.name}")


@click.command()
@_RUN
@click.argument("text")
def note(run_id: str, text: str) -> None:
    """Replace RUN's note; an empty text removes it."""
    run = actions.set_note(open_store(), run_id, text)
    emit(f"{run.id}  {'has this note now' if run.note else 'has no note now'}")


@click.command()
@_RUN
@click.argument("tags", metavar="[TAG...]", nargs=-1)
def tag(run_id: str, tags: tuple[str, ...]) -> None:
    """Replace RUN's tags; without TAG, remove them."""
    run = actions.set_tags(open_store(), run_id, tags)
    emit(f"{run.id}  {'tagged ' + ', '.join(run.tags) if run.tags else 'has no tags now'}")


@click.command()
@_RUN
@click.argument("place", type=click.IntRange(min=1))
def move(run_id: str, place: int) -> None:
    """Move the queued RUN to position PLACE of the queue: 1 is next, a number beyond the end is last."""
    run = actions.move(open_store(), run_id, place)
    emit(f"{run.id}  is number {run.queue_position} of the queue")


@click.command()
@_RUN
def interrupt(run_id: str) -> None:
    """Mark the hung RUN as interrupted: its process is alive, but its trainer made no progress for a minute. It can then be resumed."""
    emit(headline(claims.give_up(open_store(), run_id)))


@click.command("export")
@_RUNS
@click.option("--out", "path", metavar="FILE", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Name of the new zip file.")
def export_runs(run_ids: tuple[str, ...], path: Path) -> None:
    """Write runs into one file that 'runs import' takes into another store.

    The file holds config, curves, log, evaluations, probe predictions and networks. It holds no training state, so an imported run can be compared
    and used, but not resumed or forked. 'evaluate' also needs its data set in the store. 'export' writes one run in other formats."""
    from mtl_core.runs.archives.run_archive import write_archive

    store = open_store()
    found = _find_all(store, run_ids)
    size = write_archive(store, found, path, lambda run: say(headline(run)))
    emit(f"{path}: {len(found)} {'run' if len(found) == 1 else 'runs'}, {megabytes(size)} MB")


@click.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def import_runs(path: Path) -> None:
    """Take the runs of FILE, which 'runs export' wrote, into the store. Runs that are there already are left as they are."""
    from mtl_core.runs.archives.archive_reading import read_archive

    taken, there = read_archive(open_store(), path, say)
    for run_id in taken:
        emit(f"imported {run_id}")
    for run_id in there:
        emit(f"{run_id}  is in the store already")


@click.command()
@click.option("--status", "statuses", multiple=True, type=click.Choice(_ENDED), help="Only runs in this state. Repeatable.")
@click.option("--older-than", metavar="DAYS", type=click.FloatRange(min=0), help="Only runs made more than DAYS days ago.")
@click.option("--archived", is_flag=True, help="Only archived runs.")
@click.option("--keep", metavar="N", type=click.IntRange(min=0), default=0, help="Keep the N newest of these runs.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(statuses: tuple[str, ...], older_than: float | None, archived: bool, keep: int, yes: bool) -> None:
    """Delete many runs; shows them and how much that frees, and asks first. Pinned runs and runs of studies stay."""
    from mtl_core.runs.archives.pruning import prunable

    if not (statuses or archived or keep or older_than is not None):
        raise click.UsageError("say which runs: --status, --older-than, --archived or --keep")
    store = open_store()
    found = prunable(store, statuses, older_than or 0.0, archived, keep)
    if not found:
        emit("no run matches; nothing was deleted")
        return
    for each in found:
        say(f"{headline(each.run)}  {megabytes(each.size)} MB")
    count = "1 run" if len(found) == 1 else f"{len(found)} runs"
    say(f"{count}, about {megabytes(sum(each.size for each in found))} MB")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("'prune' asks for confirmation, and standard input is no terminal; add --yes")
        click.confirm(f"Delete {count} and all files of them for good?", abort=True, err=True)
    for each in found:
        actions.delete_run(store, each.run.id)
    store.database.give_back_space()
    emit(f"deleted {count}, about {megabytes(sum(each.size for each in found))} MB are free")


@click.command()
def send() -> int:
    """Send the files of runs that this machine has and the object store (MTL_ARTIFACTS_URL) has not. A run that trains here is left to its trainer.

    The dashboard and each process that trains do this by themselves. Exit code: 0 everything is sent, 1 something stays here."""
    from mtl_core.runs.objects.object_artifacts import ObjectArtifacts

    artifacts = open_store().artifacts
    if not isinstance(artifacts, ObjectArtifacts):
        raise NotPossibleError("this store's runs have no object store; set MTL_ARTIFACTS_URL to its address")
    artifacts.mark_all()
    found = artifacts.send_waiting(is_asked=True)
    return emit_sent(found, "whole in the object store: {sent} of {count} runs")


COMMANDS = (delete, archive, unarchive, pin, unpin, rename, note, tag, move, interrupt, export_runs, import_runs, prune, send)


def _each(run_ids: tuple[str, ...], do: Callable[[RunStore, str], Any], now: str) -> None:
    store = open_store()
    for run in _find_all(store, run_ids):
        do(store, run.id)
        emit(f"{run.id}  {now}")


def _find_all(store: RunStore, run_ids: tuple[str, ...]) -> list[Run]:
    """The runs with these ids, each once. A wrong id raises before any run is changed."""
    return list({run.id: run for run in map(store.get, run_ids)}.values())
