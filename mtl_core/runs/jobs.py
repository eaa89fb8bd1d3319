"""The queue: runs wait in the store, one at a time per device trains in a background thread of this process.

Who takes a queued run: the worker thread of any process that has called ``submit`` or ``start_worker`` on that store, first come first
served, whoever submitted it. So a run whose submitter is gone is trained as soon as a dashboard lives. The command line's ``train`` never
queues: it holds its run from the start. A worker leaves a run waiting while another live run on its host, of whatever process, holds
the same device.

Streamlit reloads our modules when a file is saved. The threads then run on with the old code, found again through plain data that no
reload touches; the next run imports the trainer anew.
"""

from __future__ import annotations

import logging
import threading
from importlib import import_module

from mtl_core.config import RunConfig
from mtl_core.runs.executor import execute, freeze_after_imports, resolve_device
from mtl_core.runs.failures import failure_of
from mtl_core.runs.process import process_slot
from mtl_core.runs.run import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

__all__ = ["execute", "resolve_device", "start_worker", "submit", "warm_up", "warmed"]

POLL_SECONDS = 2.0  # how often a worker looks for runs of others, or for a device that another process has left

_logger = logging.getLogger(__name__)


def submit(store: RunStore, config: RunConfig) -> Run:
    """Queue a run and see to it that this process works on the queue. Returns at once.

    Raises:
        StoreError: the run could not be written; nothing is queued then.
    """
    run = store.create(config)
    start_worker(store)
    return run


def start_worker(store: RunStore) -> None:
    """Have this process take queued runs of ``store``, now and until it ends. Calling it again only wakes the worker."""
    workers = process_slot("workers")
    with process_slot("locks").setdefault("workers", threading.Lock()):
        worker = workers.get(str(store.home))
        if worker is None or not worker["thread"].is_alive():
            wake = threading.Event()
            thread = threading.Thread(target=_work, args=(store, wake), name="mtl-queue", daemon=True)
            workers[str(store.home)] = worker = {"thread": thread, "wake": wake}
            thread.start()
        worker["wake"].set()


def warm_up() -> None:
    """Import torch and the trainer in the background, so that the first run starts at once. Calling it again does nothing."""
    state = process_slot("warm")
    with process_slot("locks").setdefault("warm", threading.Lock()):
        if "thread" not in state:
            state["done"] = threading.Event()
            state["thread"] = threading.Thread(target=_import_engine, args=(state["done"],), name="mtl-warm-up", daemon=True)
            state["thread"].start()


def warmed() -> bool:
    """True once ``warm_up`` has finished."""
    done = process_slot("warm").get("done")
    return done is not None and done.is_set()


def _import_engine(done: threading.Event) -> None:
    try:
        for name in ("torch", "torchvision", "mtl_core.training.trainer"):
            import_module(name)
        freeze_after_imports()
    except Exception:  # a run will fail with the same error, and say it where the user looks
        _logger.exception("the engine cannot be imported")
    finally:
        done.set()


def _work(store: RunStore, wake: threading.Event) -> None:
    while True:
        wake.wait(POLL_SECONDS)
        wake.clear()
        try:
            for run in store.queued():
                _start(store, run, wake)
        except Exception:  # the store may be out of reach for a while; the worker must outlive that
            _logger.exception("cannot work on the queue of '%s'", store.home)


def _start(store: RunStore, run: Run, wake: threading.Event) -> None:
    """Train a queued run in its own thread, if its device is free and nobody else takes it."""
    try:
        device = resolve_device(run.config.device)
    except Exception as error:
        if store.claim(run.id, "cpu", alone=False):
            store.end(run.id, RunStatus.FAILED, failure_of(error))
        return
    if store.claim(run.id, device):
        threading.Thread(target=_train_then_wake, args=(store, run.id, wake), name=f"train-{run.id}", daemon=True).start()


def _train_then_wake(store: RunStore, run_id: str, wake: threading.Event) -> None:
    try:
        execute(store, run_id)
    finally:
        wake.set()
