"""The queue: one run at a time per device trains in a background thread of this process, or in a process of its own.

The worker thread of any process that has called ``submit`` or ``start_worker`` on a store claims queued runs, first come first served, whoever
submitted them. A run whose submitter is gone therefore trains as soon as a dashboard is open. The command line's ``train`` never queues: it claims
its run from the start. A run waits while another live run on this host, of any process, holds the same device.

Streamlit reloads our modules when a file is saved. The threads then continue with the old code; the new code finds them through plain data that a
reload does not touch. The next run imports the trainer again.
"""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from mtl_core import settings
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError, MTLError, RunNotFoundError
from mtl_core.machine import free_memory
from mtl_core.machine.device_names import devices_taken
from mtl_core.machine.processor_cores import cores
from mtl_core.runs import claims, study_cells
from mtl_core.runs.background.engine_import import import_engine
from mtl_core.runs.background.garbage_collection import freeze_after_imports
from mtl_core.runs.background.program_end import is_closing, stop_at_exit, workers_lock
from mtl_core.runs.cluster.cluster_start import cluster_of, is_on_cluster, keep_queue
from mtl_core.runs.executor import devices_for, execute, resolve_device
from mtl_core.runs.failures import failure_of
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql import read_only
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.settings import EXECUTORS

__all__ = ["EXECUTORS", "execute", "executor_of", "queue_problem", "resolve_device", "start_worker", "submit", "warm_up", "warmed", "worker_threads"]

# Exit codes of a worker process: the store has the run's outcome; the run stays queued; store or settings cannot be used. Any other code: a crash.
TAKEN, NOT_TAKEN, REFUSED = 0, 3, 2
REFUSED_SECONDS = 30.0  # between a worker process that could not start and the next attempt

POLL_SECONDS = 2.0  # between two polls for runs of other processes and for devices that they have released

_logger = logging.getLogger(__name__)


def submit(store: RunStore, config: RunConfig, request_id: str | None = None) -> Run:
    """Queue a run and start this process's worker. Returns at once.

    Args:
        request_id: id of the request; a second call with the same id makes no second run.

    Raises:
        StoreError: the run cannot be written; nothing is queued then.
    """
    run = store.create(config, request_id=request_id)
    start_worker(store)
    return run


def executor_of(store: RunStore) -> str:
    """``thread``: runs train in a thread of the process that claims them. ``process``: each run has its own process, so that a crash in native code,
    a hang or running out of memory does not end the dashboard. ``ray``: the nodes of a Ray cluster train; only MTL_EXECUTOR can say so. MTL_EXECUTOR
    decides, else the store's setting.

    Raises:
        ConfigError: MTL_EXECUTOR, or the store's setting, is neither.
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


def worker_threads(store: RunStore) -> int | None:
    """Threads that PyTorch computes with where a run has its own process: MTL_THREADS, else the store's setting, at most one for each core. None is
    PyTorch's own number. A run in a thread has those of its process, because another number would change the last digits of the runs beside it.

    Raises:
        ConfigError: the store's setting is no number of threads.
    """
    if count := settings.threads():
        return count
    value = store.settings().get("threads", "")
    if problem := settings.threads_problem(value):
        raise ConfigError(f"the threads of the run store '{store.home}': {problem}. Choose a number under Advanced on the Train page")
    return min(int(value), cores()) if value else None


def queue_problem(store: RunStore) -> str:
    """Why the queue does not start runs: a setting or the store cannot be used. Empty if nothing is wrong. The runs stay queued."""
    found = [str(problem) for problem in settings.problems()]
    if store.database.read_only:
        found.append(read_only.sentence(store.database.path))
    elif not found and (cluster := cluster_of(store)) and cluster.problem and not cluster.is_stale():
        found.append(cluster.problem)
    known = process_slot("queue problems").get(str(store.home))
    return "; ".join(dict.fromkeys([*found, *([known["text"]] if known else [])]))


def start_worker(store: RunStore) -> None:
    """Start a worker thread that claims queued runs of ``store`` until this process ends. A second call only wakes the worker."""
    store.artifacts.start()
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
    """Import torch and the trainer in the background, so that the first run starts at once. A second call does nothing."""
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
        import_engine()
        freeze_after_imports()
    except Exception:  # a run will fail with the same error and show it to the user
        _logger.exception("the engine cannot be imported")
    finally:
        done.set()


def _work(store: RunStore, wake: threading.Event) -> None:
    while not is_closing():
        wake.wait(POLL_SECONDS)
        wake.clear()
        try:
            _supervise_workers(store)
            if not store.database.read_only and not is_closing():
                store.sweep_if_due()
                study_cells.resume_interrupted(store)
                for follow_up in list(study_cells.FOLLOW_UPS.values()):
                    follow_up(store)
            if is_on_cluster():
                _leave_to_cluster(store)
                continue
            waiting = store.queued()
            if not waiting:
                _note_problem(store, None)
            elif not _is_held_up(store):
                settings.check()
                _start_first_of_each(store, waiting, executor_of(store), wake)
                _note_problem(store, None)
        except Exception as error:  # an error of the machine, not of a run: runs and worker keep waiting
            _note_problem(store, error)


def _leave_to_cluster(store: RunStore) -> None:
    """See to it that the cluster's queue starts the runs; a cluster that cannot be used is tried again after a while."""
    if _is_held_up(store):
        return
    try:
        settings.check()
        keep_queue(store)
        _note_problem(store, None)
    except MTLError as error:
        _note_problem(store, error, REFUSED_SECONDS)


def _is_held_up(store: RunStore) -> bool:
    known = process_slot("queue problems").get(str(store.home))
    return known is not None and time.monotonic() < known["until"]


def _note_problem(store: RunStore, error: Exception | None, seconds: float = 0.0) -> None:
    """Store for the pages why the queue waits, and log it once. ``error`` None clears it.

    Args:
        seconds: pause until the next attempt.
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


def _start_first_of_each(store: RunStore, waiting: Sequence[Run], executor: str, wake: threading.Event) -> None:
    """Train the first waiting run of each device. A run that waits for several devices keeps those that it needs from the runs behind it.

    A run that any GPU suits takes the first free one that no run before it waits for. It keeps none from the runs behind it: it had the choice first.
    """
    awaited: set[str] = set()
    for run in waiting:
        suitable = devices_for(run.config)
        taken = {device: devices_taken(device, run.config.devices) for device in suitable}
        if free := [device for device in suitable if awaited.isdisjoint(taken[device])]:
            _start(store, run, free, executor, wake)
        if len(suitable) == 1:
            awaited |= taken[suitable[0]]


def _start(store: RunStore, run: Run, devices: Sequence[str], executor: str, wake: threading.Event) -> None:
    """Train a queued run on the first of these devices that is free, unless another process claims it."""
    if is_closing():  # the run stays queued for the next start of the program
        return
    if executor == "process":
        _start_process(store, run, devices, wake)
    elif token := claims.claim_first(store, run.id, devices):
        threading.Thread(target=_train_then_wake, args=(store, run.id, token, wake), name=f"train-{run.id}", daemon=True).start()


def _fail(store: RunStore, run_id: str, error: Exception) -> None:
    """Record that a queued run failed before it began."""
    if token := claims.claim(store, run_id, "cpu", alone=False):
        store.end(run_id, RunStatus.FAILED, failure_of(error), token)


def _train_then_wake(store: RunStore, run_id: str, token: str, wake: threading.Event) -> None:
    try:
        execute(store, run_id, token=token)
    except RunNotFoundError:
        _logger.warning("run %s was deleted as it ended", run_id)
    finally:
        wake.set()


# Worker processes are plain data in the slot "worker processes", by process id.


def _supervise_workers(store: RunStore) -> None:
    """Mark workers that have claimed their run. Kill workers whose run is queued again: they hang and the run was given up, or they are ending."""
    for worker in list(process_slot("worker processes").values()):
        if worker["home"] == str(store.home):
            try:
                status = store.get(worker["run"]).status
            except RunNotFoundError:
                status = RunStatus.QUEUED  # the run was deleted, so the worker has nothing to train
            if status.is_active():
                worker["taken"] = True
            elif status == RunStatus.QUEUED and worker["taken"]:
                worker["unwanted"] = True
                worker["process"].kill()


def _start_process(store: RunStore, run: Run, suitable: Sequence[str], wake: threading.Event) -> None:
    """Start a process that claims the run itself, so that the store names the process that trains it. Until the claim, no other process is started on
    the device that is free for it."""
    workers = process_slot("worker processes")
    if any(worker["run"] == run.id for worker in list(workers.values())):
        return
    starting = {device for worker in list(workers.values()) if _is_starting(store, worker) for device in worker["devices"]}
    taken = (devices_taken(device, run.config.devices) for device in suitable)
    devices = next((each for each in taken if starting.isdisjoint(each) and not claims.is_busy(store, each)), None)
    if devices is None:
        return
    environment = settings.process_environment(store.home)
    if threads := worker_threads(store):
        environment["MTL_THREADS"] = str(threads)
    command = [sys.executable, "-m", "mtl_core", "work", run.id]
    killed_before = free_memory.kills()
    stop_at_exit()
    with workers_lock():
        if is_closing():
            return
        # In its own session: Ctrl-C in the server's terminal reaches it only through stop_at_exit, not as a second signal.
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
        worker = {"process": process, "devices": devices, "run": run.id, "home": str(store.home), "taken": False, "unwanted": False}
        worker["kills"] = killed_before
        workers[process.pid] = worker
    threading.Thread(target=_await_process, args=(store, worker, wake), name=f"await-{run.id}", daemon=True).start()


def _is_starting(store: RunStore, worker: dict[str, Any]) -> bool:
    run = store.find(worker["run"])
    return not worker["taken"] and run is not None and run.status == RunStatus.QUEUED


def _await_process(store: RunStore, worker: dict[str, Any], wake: threading.Event) -> None:
    """Wait until a worker ends; if it died before or during training, write that to the run's log."""
    run_id, code = worker["run"], worker["process"].wait()
    process_slot("worker processes").pop(worker["process"].pid, None)
    try:
        run = store.get(run_id)  # ``get`` marks a run whose process is gone as interrupted
        if code < 0 and run.status == RunStatus.INTERRUPTED and not worker["unwanted"] and not is_closing():
            why = free_memory.why_killed(worker.get("kills")) if code == -signal.SIGKILL else ""
            store.note(run_id, "error", f"its worker process was ended by signal {-code}.{why}")
        elif code == REFUSED and run.status == RunStatus.QUEUED:
            reason = "its worker process cannot use the settings or the run store (exit code 2); the server's log has the reason"
            _note_problem(store, ConfigError(f"run {run_id} waits: {reason}. The queue tries again"), REFUSED_SECONDS)
        elif code not in (TAKEN, NOT_TAKEN, -signal.SIGTERM) and run.status == RunStatus.QUEUED and not worker["taken"] and not is_closing():
            why = f".{free_memory.why_killed(worker.get('kills'))}" if code == -signal.SIGKILL else ""
            _fail(store, run_id, RuntimeError(f"its worker process ended with code {code} before it claimed the run{why}"))
    except RunNotFoundError:
        _logger.warning("run %s was deleted as its worker process ended", run_id)
    except Exception:
        _logger.exception("cannot record how the worker process of run %s ended", run_id)
    wake.set()
