"""``work``: train one queued run in this process, as the dashboard's process executor does."""

from __future__ import annotations

import signal
import threading
from typing import Any

import click

from mtl_core.cli.output import complain
from mtl_core.events import Control
from mtl_core.runs.store import open_store


@click.command()
@click.argument("run_id", metavar="RUN")
def work(run_id: str) -> int:
    """Take the queued RUN and train it here.

    The dashboard starts this for each run when its executor is 'process'. SIGTERM and Ctrl-C save the state and leave the run interrupted, to be
    resumed. Exit code: 0 it ended, whichever way; 3 it was not queued, or its device is busy.
    """
    from mtl_core.runs import holding
    from mtl_core.runs.executor import closing_down, execute, resolve_device
    from mtl_core.runs.jobs import NOT_TAKEN, TAKEN

    store = open_store()
    run = store.get(run_id)
    token = holding.claim(store, run.id, resolve_device(run.config.device))
    if not token:
        complain(f"run {run.id} was not taken: it is {store.get(run.id).status}, or another run holds its device")
        return NOT_TAKEN
    control = Control()

    def end(number: int, _frame: Any) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_DFL)  # the next one ends the process at once
        closing_down()
        control.stop(f"the program was ended by {signal.Signals(number).name}")

    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, end)
    execute(store, run.id, control, token=token)
    return TAKEN
