"""The end of the program: no run starts any more, and runs that train save their state.

State is plain data in ``process_slot``, because it must survive a reload of our modules.
"""

from __future__ import annotations

import atexit
import gc
import subprocess
import threading
import time
from typing import Any

from mtl_core.runs.process_singletons import process_slot

CLOSING_SECONDS = 4.0  # a closing program waits this long for its runs to save their state


def is_closing() -> bool:
    """True once the program is ending; no run starts in this process then."""
    return process_slot("training").get("closing", False)


def stop_at_exit() -> None:
    """Make runs save their state when the program closes. Registered once, after torch, so that it runs before torch's own exit hooks."""
    state = process_slot("training")
    if not state.get("at_exit"):
        state["at_exit"] = True
        atexit.register(_close)


def begin_closing() -> None:
    """Let no run start any more: the program was told to end."""
    process_slot("training")["closing"] = True


def mark_closing() -> None:
    """Mark the program as ending: a run that stops from now on is recorded as interrupted, because nobody asked it to stop."""
    process_slot("training").update(closing=True, cut_short=True)


def _close() -> None:
    begin_closing()
    deadline = time.monotonic() + CLOSING_SECONDS
    jobs = [job for job in list(process_slot("executing").values()) if not job["control"].abandoned]
    for job in jobs:
        job["control"].stop("the program is closing")
    with workers_lock():  # so that no worker is being started
        workers = [worker["process"] for worker in process_slot("worker processes").values()]
    if jobs or workers:
        mark_closing()
    for worker in workers:
        worker.terminate()  # the worker saves its state as this process does
    for job in jobs:
        job["done"].wait(max(deadline - time.monotonic(), 0.0))
    for worker in workers:
        try:
            worker.wait(max(deadline - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            worker.kill()  # it hangs; its last checkpoint stays
    if process_slot("training").get("cut_short"):
        gc.freeze()  # see ``garbage_collection._unfreeze_at_exit``: PyTorch may have been partly imported since the last freeze


def workers_lock() -> Any:
    """The lock for starting worker processes and for reading their list."""
    return process_slot("locks").setdefault("worker processes", threading.Lock())
