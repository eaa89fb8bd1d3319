"""Training one run in the calling thread: the same for the dashboard's background thread and the command line.

What is kept here across a reload of our modules (``process_slot``) is plain data: how many runs train, which controls to stop when the
program closes.
"""

from __future__ import annotations

import atexit
import dataclasses
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import import_module
from typing import Any

from mtl_core.errors import StoreError
from mtl_core.events import Control
from mtl_core.runs.failures import failure_of
from mtl_core.runs.owner import this_process
from mtl_core.runs.process import process_slot
from mtl_core.runs.run import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

HEARTBEAT_SECONDS = 2.0
CONTROL_SECONDS = 0.25  # how often requests from outside are looked for
SWITCH_INTERVAL = 1e-4  # seconds; at Python's 5 ms, one busy page makes every step several times slower
CLOSING_SECONDS = 4.0  # how long a closing program waits for its runs to save their state
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)  # between attempts to write how a run ended

_logger = logging.getLogger(__name__)

Observer = Callable[[Any], None]  # called with each event after it was recorded


def execute(store: RunStore, run_id: str, control: Control | None = None, on_event: Observer | None = None) -> Run:
    """Train a run to its end in this thread and return it as it then is.

    A queued run is taken first; if someone else was faster, or it was stopped, nothing happens. Whatever goes wrong in training is
    recorded as the run's ``failure``, not raised.

    Args:
        control: to stop it from this process; requests made through the store reach it too.

    Raises:
        KeyboardInterrupt, SystemExit: after the run was marked as interrupted.
    """
    run = store.get(run_id)
    control = control or Control()
    if run.status == RunStatus.QUEUED and not store.claim(run.id, resolve_device(run.config.device), alone=False):
        return store.get(run.id)
    with _held_once(store, run.id, control) as ours:
        if ours:
            _train(store, run, control, on_event or (lambda event: None))
    return store.get(run.id)


def resolve_device(name: str) -> str:
    """``cpu``, ``cuda`` or ``mps`` for a config's ``device``. Only ``auto`` has to import torch; others are checked by the trainer."""
    if name != "auto":
        return name
    from mtl_core.training.execution import resolve_device as best_of

    return best_of(name)


def _train(store: RunStore, run: Run, control: Control, on_event: Observer) -> None:
    try:
        with _attended(store, run.id, control):
            trainer = import_module("mtl_core.training.trainer")
            _stop_at_exit()
            with _undisturbed():
                ended = _record(store, run, trainer, control, on_event)
        if not ended:
            raise RuntimeError("the trainer ended without saying how")
    except Exception as error:
        _logger.warning("run %s failed", run.id, exc_info=error)
        failure = failure_of(error)
        _end(store, run.id, RunStatus.FAILED, f"failed: {failure['message']}", failure)
    except BaseException:
        _end(store, run.id, RunStatus.INTERRUPTED, "interrupted: the program was ended")
        raise


def _record(store: RunStore, run: Run, trainer: Any, control: Control, on_event: Observer) -> bool:
    """Append every event of the trainer; True when the last one said how the run ended."""
    ended = False
    with closing(trainer.train(run.config, store.folder(run.id), store.cache, control)) as events:
        for event in events:
            kind = type(event).__name__
            if kind == "RunStarted":
                freeze_after_imports()  # what the run's parts have imported since
            if kind == "RunEnded":
                ended = True
                if _closing() and event.status == RunStatus.STOPPED:  # nobody asked this run to stop
                    event = dataclasses.replace(event, status=RunStatus.INTERRUPTED.value)
            store.append(run.id, event)
            on_event(event)
    return ended


def _end(store: RunStore, run_id: str, status: RunStatus, line: str, failure: dict[str, Any] | None = None) -> None:
    """Write how a run ended, patiently: the disk may be full for a moment. Without success its heartbeat ends, which says it too."""
    for pause in (*RETRY_SECONDS, None):
        try:
            store.end(run_id, status, failure)
            store.note(run_id, "error", line)
            return
        except StoreError as error:
            _logger.error("cannot record that run %s %s: %s", run_id, line, error)
            if pause is not None:
                time.sleep(pause)


# -- attending to a run while it trains


@contextmanager
def _attended(store: RunStore, run_id: str, control: Control) -> Iterator[None]:
    """A thread that writes heartbeats and hands requests from the store to ``control``, until the block ends."""
    done = threading.Event()
    thread = threading.Thread(target=_attend, args=(store, run_id, control, done), name=f"attend-{run_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _attend(store: RunStore, run_id: str, control: Control, done: threading.Event) -> None:
    beat_at = 0.0
    while not done.wait(CONTROL_SECONDS):
        with suppress(StoreError):  # a store busy for a moment: the next round comes soon
            if store.take_stop(run_id):
                control.stop("asked to stop")
            if time.monotonic() - beat_at >= HEARTBEAT_SECONDS:
                beat_at = time.monotonic()
                if not store.heartbeat(run_id) and not done.is_set() and store.get(run_id).status.is_active():
                    control.stop("another process has taken this run")


@contextmanager
def _held_once(store: RunStore, run_id: str, control: Control) -> Iterator[bool]:
    """False where the run is not held by this process, or another thread of it trains it already."""
    jobs = process_slot("executing")
    with process_slot("locks").setdefault("executing", threading.Lock()):
        ours = run_id not in jobs and store.is_held_by(run_id, this_process())
        if ours:
            jobs[run_id] = {"control": control, "done": threading.Event()}
    try:
        yield ours
    finally:
        if ours:
            jobs.pop(run_id)["done"].set()


# -- the rest of the process while a run trains


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep Python's collector off torch's objects and let the training thread have the interpreter soon when it asks."""
    state = process_slot("training")
    lock = process_slot("locks").setdefault("training", threading.Lock())
    freeze_after_imports()
    with lock:
        if not state.get("runs"):
            state["switch_interval"] = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_INTERVAL)
        state["runs"] = state.get("runs", 0) + 1
    try:
        yield
    finally:
        with lock:
            state["runs"] -= 1
            if not state["runs"]:
                sys.setswitchinterval(state["switch_interval"])
                gc.unfreeze()  # what the run left behind must be collectable, or memory grows with every run
                gc.collect()
                gc.freeze()


def freeze_after_imports() -> None:
    """Take everything alive out of Python's garbage collector's sight, if a good number of modules was imported since the last time.

    Streamlit runs a full collection after every page run; over torch's objects it holds the interpreter so long that training starves.
    """
    state = process_slot("training")
    if len(sys.modules) > state.get("frozen_modules", 0) + 50:
        if "frozen_modules" not in state:
            atexit.register(gc.unfreeze)  # extensions complain at exit about objects that the collector was not let near
        state["frozen_modules"] = len(sys.modules)
        gc.collect()
        gc.freeze()


def _closing() -> bool:
    return process_slot("training").get("closing", False)


def _stop_at_exit() -> None:
    """Have runs save their state when the program closes. Registered once, after torch, so that it runs before torch's own hooks."""
    state = process_slot("training")
    if not state.get("at_exit"):
        state["at_exit"] = True
        atexit.register(_close)


def _close() -> None:
    process_slot("training")["closing"] = True
    jobs = list(process_slot("executing").values())
    for job in jobs:
        job["control"].stop("the program is closing")
    deadline = time.monotonic() + CLOSING_SECONDS
    for job in jobs:
        job["done"].wait(max(deadline - time.monotonic(), 0.0))
