"""``work``: train queued runs in this process, one as the dashboard's process executor does, or all that wait."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from mtl_core.cli.output import complain, emit, headline
from mtl_core.cli.unwritten import Unwritten
from mtl_core.events import Control
from mtl_core.runs.jobs import NOT_TAKEN
from mtl_core.runs.run import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store

DONE, FAILED, STOPPED = 0, 1, 130  # exit codes, beside NOT_TAKEN
POLL_SECONDS = 0.5  # how often it is looked whether a device is free by now


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--queue", "whole_queue", is_flag=True, help="Train every queued run, one after another, until none waits.")
def work(run_id: str | None, whole_queue: bool) -> int:
    """Take the queued RUN and train it here, or all that wait.

    The dashboard starts this for each run when its executor is 'process'. SIGTERM and Ctrl-C save the state and leave the run interrupted, to be
    resumed. Exit code: 0 it ended, 1 it failed (or one of them did), 3 it was not queued, or its device is busy, 130 after Ctrl-C.
    """
    if (run_id is None) != whole_queue:
        raise click.UsageError("give either a RUN or --queue")
    store = open_store()
    return _all_that_wait(store) if run_id is None else _one(store, run_id)


def _one(store: RunStore, run_id: str) -> int:
    run, signals = store.get(run_id), []
    ended = _train(store, run, signals)
    if ended is None:
        complain(f"run {run.id} was not taken: it is {store.get(run.id).status}, or another run holds its device")
        return _code(NOT_TAKEN, signals)
    return _code(FAILED if ended.status == RunStatus.FAILED else DONE, signals)


def _code(code: int, signals: list[int]) -> int:
    """A service is ended by SIGTERM, which is no failure."""
    return STOPPED if signal.SIGINT in signals else code


def _all_that_wait(store: RunStore) -> int:
    """Train the queue in its order until nothing waits, or a signal came. A busy device is waited for."""
    code, signals = DONE, []
    while not signals and (waiting := store.queued()):
        ended = next((run for run in (_train(store, each, signals) for each in waiting) if run), None)
        if ended is None:
            time.sleep(POLL_SECONDS)
            continue
        emit(headline(ended))
        if ended.status == RunStatus.FAILED:
            code = FAILED
    return _code(code, signals)


def _train(store: RunStore, run: Run, signals: list[int]) -> Run | None:
    """The run as it ended; None where it could not be taken."""
    from mtl_core.runs import holding
    from mtl_core.runs.executor import execute, resolve_device

    token = holding.claim(store, run.id, resolve_device(run.config.device))
    if not token:
        return None
    control, training = Control(), threading.Event()

    def look(event: Any) -> None:
        if type(event).__name__ == "RunStarted":
            training.set()

    try:
        with _ended_by_signals(control, signals, training):
            return execute(store, run.id, control, look, token=token, on_unwritten=Unwritten(run.id, control))
    except _EndedBeforeTraining:
        return store.get(run.id)


class _EndedBeforeTraining(BaseException):
    """A signal came while PyTorch was being imported or the data prepared: nothing has to be saved, and both may take longer than there is time."""


@contextmanager
def _ended_by_signals(control: Control, signals: list[int], training: threading.Event) -> Iterator[None]:
    """The first SIGINT or SIGTERM has the run save its state and be interrupted, before ``training`` at once; the next ends the process."""
    from mtl_core.runs.executor import mark_closing

    def end(number: int, _frame: Any) -> None:
        for name in before:
            signal.signal(name, signal.SIG_DFL)
        signals.append(number)
        mark_closing()
        control.stop(f"the program was ended by {signal.Signals(number).name}")
        if not training.is_set():
            raise _EndedBeforeTraining

    names = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {name: signal.signal(name, end) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
