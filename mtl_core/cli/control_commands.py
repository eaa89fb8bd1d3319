"""``pause``, ``proceed`` and ``stop``: requests, through the store, to a run that trains in any process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click

from mtl_core.cli.output import JSON, complain, emit, emit_json, headline, json_refusals, run_as_json
from mtl_core.runs import actions, claims
from mtl_core.runs.run_record import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store

ASKED, NOT_REACHED = 0, 1  # exit codes; 2 where the run's state does not allow it
POLL_SECONDS = 0.1

_Reached = Callable[[RunStore, Run], bool]


def _asks(command: Callable[..., Any]) -> Callable[..., Any]:
    wait = click.option("--wait", is_flag=True, help="Wait until the run has reached the new state; exit code 1 if it does not.")
    timeout = click.option("--timeout", metavar="SECONDS", default=60.0, show_default=True, type=click.FloatRange(min=0), help="How long to wait.")
    return click.argument("run_id", metavar="RUN")(wait(timeout(JSON(command))))


@click.command()
@_asks
def pause(run_id: str, **options: Any) -> int:
    """Ask the running RUN to save its state and wait. It keeps its device; 'proceed' continues it."""
    return _ask(actions.pause, run_id, "paused", lambda store, run: run.status == RunStatus.PAUSED, **options)


@click.command()
@_asks
def proceed(run_id: str, **options: Any) -> int:
    """Continue the paused RUN in place."""
    return _ask(actions.proceed, run_id, "running", _has_proceeded, **options)


@click.command()
@_asks
def stop(run_id: str, **options: Any) -> int:
    """Ask RUN to save its state and end; 'resume' continues it later. A queued run leaves the queue; an ended run does not change."""
    return _ask(actions.stop, run_id, "stopped", lambda store, run: run.status.is_ended(), **options)


def _has_proceeded(store: RunStore, run: Run) -> bool:
    return run.status == RunStatus.RUNNING and not claims.is_asked(store, run.id)


def _ask(do: Callable[[RunStore, str], Run], run_id: str, wanted: str, reached: _Reached, *, wait: bool, timeout: float, as_json: bool) -> int:
    with json_refusals(as_json):
        store = open_store()
        ended_before = store.get(run_id).status.is_ended()
        run = do(store, run_id)
        done = not wait or _wait(store, run.id, reached, timeout)
        run = store.get(run.id)
    if as_json:
        emit_json(run_as_json(run))
    else:
        emit(headline(run) + ("\nthe run had ended already; no request was sent" if ended_before else ""))
    if done:
        return ASKED
    if run.status.is_ended():
        complain(f"run {run.id} is {run.status}: it ended before it was {wanted}")
    else:
        complain(f"run {run.id} is {run.status} after {timeout:g} s, not {wanted}. Wait longer with --timeout; 'runs interrupt' gives up a hung run")
    return NOT_REACHED


def _wait(store: RunStore, run_id: str, reached: _Reached, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not reached(store, run := store.get(run_id)):
        if run.status.is_ended() or time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
