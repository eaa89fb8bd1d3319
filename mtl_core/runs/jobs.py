"""The queue: runs wait in the store, one at a time per device trains in a background thread of this process, or in a process of its own.

Who takes a queued run: the worker thread of any process that has called ``submit`` or ``start_worker`` on that store, first come first
served, whoever submitted it. So a run whose submitter is gone is trained as soon as a dashboard lives. The command line's ``train`` never
queues: it holds its run from the start. A worker leaves a run waiting while another live run on its host, of whatever process, holds
the same device.

Streamlit reloads our modules when a file is saved. The threads then run on with the old code, found again through plain data that no
reload touches; the next run imports the trainer anew.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from mtl_core import free_memory, settings
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, MTLError, RunNotFoundError
from mtl_core.runs import holding, read_only
from mtl_core.runs.executor import execute, freeze_after_imports, is_closing, resolve_device, stop_at_exit, workers_lock
from mtl_core.runs.failures import failure_of
from mtl_core.runs.process import process_slot
from mtl_core.runs.run import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.settings import EXECUTORS

__all__ = ["EXECUTORS", "execute", "executor_of", "queue_problem", "resolve_device", "start_worker", "submit", "warm_up", "warmed"]

# Exit codes of a worker process: the run says how it went; it waits on in the queue; store or settings cannot be used. Anything else may be a fault.
TAKEN, NOT_TAKEN, REFUSED = 0, 3, 2
REFUSED_SECONDS = 30.0  # after a worker process that could not begin, before another one is tried

POLL_SECONDS = 2.0  # how often a worker looks for runs of others, or for a device that another process has left

_ROOT = Path(__file__).parents[2]
_logger = logging.getLogger(__name__)


def submit(store: RunStore, config: RunConfig, request_id: str | None = None) -> Run:
    """Queue a run and see to it that this process works on the queue. Returns at once.

    Args:
        request_id: what asks for it; asked again with the same one, no second run is made.

    Raises:
        StoreError: the run could not be written; nothing is queued then.
    """
    run = store.create(config, request_id=request_id)
    start_worker(store)
    return run


def executor_of(store: RunStore) -> str:
    """``thread``: runs train in a thread of the process that takes them. ``process``: each in a process of its own, which a crash in native code,
    a hang or running out of memory cannot take down with the dashboard. MTL_EXECUTOR decides, else the store's setting.

    Raises:
        ConfigError: MTL_EXECUTOR, or what the store says, is neither.
    """
    if name := settings.executor():
        return name
    name = store.settings().get("executor", EXECUTORS[0])
    if name not in EXECUTORS:
        raise ConfigError(
            f"the executor of the run store '{store.home}' is '{name}'; expected {' or '.join(EXECUTORS)}. "
            "Choose one under Advanced on the Train page"
        )
    return name


def queue_problem(store: RunStore) -> str:
    """Why no run is started though nothing is before it: a setting or the store cannot be used. Empty where nothing is wrong. Runs stay queued."""
    found = [str(problem) for problem in settings.problems()]
    if store.database.read_only:
        found.append(read_only.sentence(store.database.path))
    known = process_slot("queue problems").get(str(store.home))
    return "; ".join(dict.fromkeys([*found, *([known["text"]] if known else [])]))


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
    while not is_closing():
        wake.wait(POLL_SECONDS)
        wake.clear()
        try:
            _look_after_workers(store)
            waiting = store.queued()
            if not waiting:
                _note_problem(store, None)
            elif not _is_held_up(store):
                settings.check()
                executor = executor_of(store)
                for run in waiting:
                    _start(store, run, executor, wake)
                _note_problem(store, None)
        except Exception as error:  # of the machine and not of a run: the runs wait on, and so does the worker
            _note_problem(store, error)


def _is_held_up(store: RunStore) -> bool:
    known = process_slot("queue problems").get(str(store.home))
    return known is not None and time.monotonic() < known["until"]


def _note_problem(store: RunStore, error: Exception | None, seconds: float = 0.0) -> None:
    """Keep for the pages why the queue waits, and say it once in the log; None: it goes on.

    Args:
        seconds: for which nothing is tried again.
    """
    problems, home = process_slot("queue problems"), str(store.home)
    if error is None:
        problems.pop(home, None)
        return
    ours = isinstance(error, MTLError)
    text = str(error) if ours else f"an unexpected {type(error).__name__}: {error}"
    if problems.get(home, {}).get("text") != text:
        _logger.error("the queue of '%s' waits: %s", home, text, exc_info=None if ours else error)
    problems[home] = {"text": text, "until": time.monotonic() + seconds}


def _start(store: RunStore, run: Run, executor: str, wake: threading.Event) -> None:
    """Train a queued run, if its device is free and nobody else takes it."""
    device = resolve_device(run.config.device)
    if is_closing():  # it stays queued for the next start
        return
    if executor == "process":
        _start_process(store, run, device, wake)
    elif token := holding.claim(store, run.id, device):
        threading.Thread(target=_train_then_wake, args=(store, run.id, token, wake), name=f"train-{run.id}", daemon=True).start()


def _fail(store: RunStore, run_id: str, error: Exception) -> None:
    """Write that a queued run could not even begin."""
    if token := holding.claim(store, run_id, "cpu", alone=False):
        store.end(run_id, RunStatus.FAILED, failure_of(error), token)


def _train_then_wake(store: RunStore, run_id: str, token: str, wake: threading.Event) -> None:
    try:
        execute(store, run_id, token=token)
    except RunNotFoundError:
        _logger.warning("run %s was deleted as it ended", run_id)
    finally:
        wake.set()


# -- worker processes: plain data in the slot "worker processes", by process id


def _look_after_workers(store: RunStore) -> None:
    """Note which workers have taken their run, and end those whose run waits again: it was given up because they hang, or they are at their end."""
    for worker in list(process_slot("worker processes").values()):
        if worker["home"] == str(store.home):
            try:
                status = store.get(worker["run"]).status
            except RunNotFoundError:
                status = RunStatus.QUEUED  # deleted, so nothing is left to train
            if status.is_active():
                worker["taken"] = True
            elif status == RunStatus.QUEUED and worker["taken"]:
                worker["unwanted"] = True
                worker["process"].kill()


def _start_process(store: RunStore, run: Run, device: str, wake: threading.Event) -> None:
    """A process that takes the run itself, so that the store names the one that really trains it. Until it has, none is started on its device."""
    workers = process_slot("worker processes")
    if any(worker["run"] == run.id or (worker["device"] == device and _is_starting(store, worker)) for worker in list(workers.values())):
        return
    if holding.is_busy(store, device):
        return
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "MTL_HOME": str(store.home), "PYTHONPATH": path}
    command = [sys.executable, "-m", "mtl_core", "work", run.id]
    killed_before = free_memory.kills()
    stop_at_exit()
    with workers_lock():
        if is_closing():
            return
        # In a session of its own: Ctrl-C in the server's terminal reaches it through stop_at_exit, once, and not as a second signal.
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        worker = {"process": process, "device": device, "run": run.id, "home": str(store.home), "taken": False, "unwanted": False}
        worker["kills"] = killed_before
        workers[process.pid] = worker
    threading.Thread(target=_await_process, args=(store, worker, wake), name=f"await-{run.id}", daemon=True).start()


def why_killed(kills_before: int | None) -> str:
    """What is known of who sent SIGKILL, as sentences.

    Args:
        kills_before: ``free_memory.kills()`` as the process was started.
    """
    kills = free_memory.kills()
    if kills is None or kills_before is None:
        return " The system may have run out of memory; nothing here counts that."
    if kills == kills_before:
        return " The system may have run out of memory, though it counted no process that it ended for that: it may have been ended by hand."
    return " The system ran out of memory and ended a process. Resume the run with more memory free, or clone it with a lower batch_size."


def _is_starting(store: RunStore, worker: dict[str, Any]) -> bool:
    run = store.find(worker["run"])
    return not worker["taken"] and run is not None and run.status == RunStatus.QUEUED


def _await_process(store: RunStore, worker: dict[str, Any], wake: threading.Event) -> None:
    """Wait for a worker's end; where it died before or while it trained, say so in the run's log."""
    run_id, code = worker["run"], worker["process"].wait()
    process_slot("worker processes").pop(worker["process"].pid, None)
    try:
        run = store.get(run_id)  # a run whose process is gone becomes interrupted here
        if code < 0 and run.status == RunStatus.INTERRUPTED and not worker["unwanted"] and not is_closing():
            why = why_killed(worker.get("kills")) if code == -signal.SIGKILL else ""
            store.note(run_id, "error", f"its worker process was ended by signal {-code}.{why}")
        elif code == REFUSED and run.status == RunStatus.QUEUED:
            reason = "its worker process cannot use the settings or the run store (exit code 2); the server's log says why"
            _note_problem(store, ConfigError(f"run {run_id} waits: {reason}. It is tried again"), REFUSED_SECONDS)
        elif code not in (TAKEN, NOT_TAKEN, -signal.SIGTERM) and run.status == RunStatus.QUEUED and not worker["taken"] and not is_closing():
            why = f".{why_killed(worker.get('kills'))}" if code == -signal.SIGKILL else ""
            _fail(store, run_id, RuntimeError(f"its worker process ended with code {code} before it took the run{why}"))
    except RunNotFoundError:
        _logger.warning("run %s was deleted as its worker process ended", run_id)
    except Exception:
        _logger.exception("cannot say how the worker process of run %s ended", run_id)
    wake.set()
