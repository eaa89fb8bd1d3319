"""Commands that manage runs: rename, note, tag, pin, archive, move, interrupt, delete. None of them imports torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from mtl_core.cli.output import emit, headline, say
from mtl_core.runs import actions, claims
from mtl_core.runs.run_record import Run
from mtl_core.runs.store import RunStore, open_store

_RUN = click.argument("run_id", metavar="RUN")
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


COMMANDS = (delete, archive, unarchive, pin, unpin, rename, note, tag, move, interrupt)


def _each(run_ids: tuple[str, ...], do: Callable[[RunStore, str], Any], now: str) -> None:
    store = open_store()
    for run in _find_all(store, run_ids):
        do(store, run.id)
        emit(f"{run.id}  {now}")


def _find_all(store: RunStore, run_ids: tuple[str, ...]) -> list[Run]:
    """The runs with these ids, each once. A wrong id raises before any run is changed."""
    return list({run.id: run for run in map(store.get, run_ids)}.values())
