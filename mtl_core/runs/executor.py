"""Training of one run in the calling thread, for the dashboard's background thread and for the command line.

State that must survive a reload of our modules (``process_slot``) is plain data: how many runs train, and which controls to stop when the
program closes.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import logging
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain, repeat
from typing import Any, get_args

from mtl_core.config import RunConfig
from mtl_core.errors import LostRankError, RunTakenError, StoreError, UnreachableObjectsError, is_error
from mtl_core.events import Control
from mtl_core.machine.device_names import device_named, kind_of
from mtl_core.runs import claims, method_race, study_cells
from mtl_core.runs.alerts.run_alerts import RunAlerts
from mtl_core.runs.background.engine_import import import_engine
from mtl_core.runs.background.garbage_collection import freeze_after_imports
from mtl_core.runs.background.program_end import is_closing, stop_at_exit
from mtl_core.runs.failures import failure_of
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.run_record import Run
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

HEARTBEAT_SECONDS = 2.0
CONTROL_SECONDS = 0.25  # between two polls for requests in the store
SWITCH_INTERVAL = 1e-4  # seconds; at Python's 5 ms, one busy page makes every step several times slower
SENT = ("ProbesSaved", "CheckpointSaved", "RunEnded")  # events before which the run's files go to the object store, if there is one
RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)  # between attempts to record a run's end

_logger = logging.getLogger(__name__)

Observer = Callable[[Any], None]  # called with each event after it was recorded
Unwritten = Callable[[str, StoreError], bool]  # called with the log line of an end that could not be recorded and the error; True: try again


def execute(
    store: RunStore,
    run_id: str,
    control: Control | None = None,
    on_event: Observer | None = None,
    token: str = "",
    on_unwritten: Unwritten | None = None,
) -> Run:
    """Train a run to its end in this thread and return its new state.

    A queued run is claimed first; if that fails, nothing happens. An error in training is recorded as the run's ``failure``, not raised.

    Args:
        control: stops the run from this process; it also receives the requests made through the store.
        token: token of the claim, if the caller has claimed the run.
        on_unwritten: called when the store cannot record the run's end; decides whether to retry. Without it, recording is retried without limit.

    Raises:
        KeyboardInterrupt, SystemExit: after the run was marked as interrupted.
    """
    run = store.get(run_id)
    control = control or Control()
    if run.status == RunStatus.QUEUED and not token:
        token = claims.claim(store, run.id, resolve_device(run.config.device), alone=False)
    if token:
        with _one_thread_per_token(store, run.id, token, control) as ours:
            if ours:
                _Training(store, store.get(run.id), token, control, on_event or (lambda event: None), on_unwritten or _always).run()
                store.artifacts.keep(run.id, token, at_end=True)
    return store.get(run.id)


def _always(*_: Any) -> bool:
    return True


def resolve_device(name: str) -> str:
    """``cpu``, ``cuda``, ``cuda:1`` or ``mps`` for a config's ``device``. Only ``auto`` imports torch; the trainer checks the others."""
    if name != "auto":
        return device_named(name)
    import_engine()
    from mtl_core.training import execution

    return execution.resolve_device(name)


def devices_for(config: RunConfig) -> list[str]:
    """The devices that a run may train on, the one to take first at the head: with ``auto`` each GPU of this machine, else one device.

    A run on several devices takes the first ones.
    """
    first = resolve_device(config.device)
    if config.device != "auto" or config.devices != 1 or first != "cuda":
        return [first]
    from mtl_core.training import execution

    named = get_args(RunConfig.model_fields["device"].annotation)  # a run that is compared with this one names the device
    return [device for device in execution.devices_here() if kind_of(device) == first and device in named]


class _Training:
    """One attempt to train a run, with the token that permits writing to it."""

    def __init__(self, store: RunStore, run: Run, token: str, control: Control, on_event: Observer, on_unwritten: Unwritten):
        self.store, self.trained, self.token, self.control = store, run, token, control
        self.on_event, self.on_unwritten = on_event, on_unwritten
        self.alerts = RunAlerts(store.folder(run.id))
        control.device = run.device if run.config.device == "auto" else ""
        control.check_held = lambda: claims.check_held(store, run.id, token)
        control.settle = lambda precision, layout: study_cells.settle(store, run.id, *method_race.settle(store, run.id, precision, layout))

    def run(self) -> None:
        """Train the run and record its end in every case."""
        run_id = self.trained.id
        try:
            with self._heartbeats():
                trainer = import_engine()
                stop_at_exit()
                with self.store.artifacts.training(run_id, self.token, self.trained.config), _process_tuned_for_training():
                    self._check_data()
                    ended = self._record(trainer)
            if not ended and not self.control.abandoned:
                raise RuntimeError("the trainer ended without a RunEnded event")
        except Exception as error:
            if is_error(error, RunTakenError):
                _logger.warning("run %s was given up here: %s", run_id, error)
                return
            if is_error(error, LostRankError) or is_error(error, UnreachableObjectsError):  # the machine's fault, not that of the settings
                self._end(RunStatus.INTERRUPTED, f"interrupted: {error}")
                return
            _logger.warning("run %s failed", run_id, exc_info=error)
            failure = failure_of(error)
            self._end(RunStatus.FAILED, f"failed: {failure['message']}", failure)
        except BaseException:
            self._end(RunStatus.INTERRUPTED, "interrupted: the program was ended")
            raise

    def _check_data(self) -> None:
        """Raise DataError if the run's imported set is not the one that was there when the run was made."""
        if name := self.trained.config.imported_set:
            from mtl_core.data.imports.pinned_set import check_pin

            check_pin(self.store.folder(self.trained.id), name, self.store.home)

    def _record(self, trainer: Any) -> bool:
        """Append every event of the trainer to the store. Returns whether a RunEnded was among them."""
        ended = False
        store, run = self.store, self.trained
        with closing(trainer.train(run.config, store.folder(run.id), store.cache, self.control)) as events:
            for event in events:
                kind = type(event).__name__
                if kind == "RunStarted":
                    freeze_after_imports()  # the run's parts have imported more modules
                if kind == "RunEnded":
                    ended = True
                    if is_closing() and event.status == RunStatus.STOPPED:  # nobody asked this run to stop
                        event = dataclasses.replace(event, status=RunStatus.INTERRUPTED.value)
                if kind in SENT and not is_closing():
                    store.artifacts.keep(run.id, self.token)
                store.append(run.id, event, self.token)
                self.alerts.take(event)
                self.on_event(event)
        return ended

    def _end(self, status: RunStatus, line: str, failure: dict[str, Any] | None = None) -> None:
        """Record the run's end, with retries: the disk may be full. Readers in this process see the end even while it is not recorded."""
        unwritten = process_slot("unwritten_ends")
        unwritten[self.token] = {"status": status.value, "finished_at": store_time(), "failure": failure}
        pauses = chain(RETRY_SECONDS, repeat(RETRY_SECONDS[-1]))
        while True:
            try:
                self.store.end(self.trained.id, status, failure, self.token, line)
                break
            except StoreError as error:
                if is_error(error, RunTakenError):
                    break
                _logger.error("cannot record that run %s %s: %s", self.trained.id, line, error)
                if is_closing() or status == RunStatus.INTERRUPTED or not self.on_unwritten(line, error):
                    return  # the heartbeat ends with the process, so others see the run as interrupted
                time.sleep(next(pauses))
        unwritten.pop(self.token, None)

    @contextmanager
    def _heartbeats(self) -> Iterator[None]:
        """Run a thread that writes heartbeats and passes requests from the store to ``control``, until the block ends."""
        done = threading.Event()
        thread = threading.Thread(target=self._attend, args=(done,), name=f"attend-{self.trained.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self._note_alerts()  # of the last seconds

    def _attend(self, done: threading.Event) -> None:
        store, run_id, control, beat_at = self.store, self.trained.id, self.control, 0.0
        looked_at = time.monotonic()
        while not done.wait(CONTROL_SECONDS):
            if time.monotonic() - looked_at >= HEARTBEAT_SECONDS:
                looked_at = time.monotonic()
                self._note_alerts()
            with suppress(StoreError):  # the store may be busy; the next round follows soon
                for record in claims.take_controls(store, run_id, self.token):
                    apply_control(control, record)
                if time.monotonic() - beat_at >= HEARTBEAT_SECONDS:
                    beat_at = time.monotonic()
                    progress_at = store_time() - (time.monotonic() - control.asked_at)
                    if not self._still_ours(progress_at) and not done.is_set():
                        control.abandon("another process or thread has taken this run")

    def _note_alerts(self) -> None:
        """Add the alerts that are due to the run's log. An alert that cannot be written must not end a run."""
        control, store, run_id = self.control, self.store, self.trained.id
        if control.abandoned:
            return
        for line in self.alerts.due(control.asked_at, time.monotonic(), control.pause_requested, store.home):
            try:
                store.note(run_id, *line)
            except StoreError as error:
                _logger.warning("run %s: %s (%s)", run_id, line[1], error)

    def _still_ours(self, progress_at: float) -> bool:
        try:
            return claims.heartbeat(self.store, self.trained.id, self.token, progress_at) or self.store.get(self.trained.id).holder == self.token
        except StoreError as error:
            if not is_error(error, RunTakenError):
                raise
            return False


def apply_control(control: Control, record: claims.ControlRecord) -> None:
    """Apply a request from the store to ``control``."""
    kind = record.kind
    if kind == "stop":
        control.stop("asked to stop")
    elif kind == "pause":
        control.pause()
    elif kind == "proceed":
        control.proceed()
    elif kind == "change":
        control.change(record.payload["key"], record.payload["value"])


@contextmanager
def _one_thread_per_token(store: RunStore, run_id: str, token: str, control: Control) -> Iterator[bool]:
    """Register this thread as the trainer. Yields False if this process does not hold the run with the token, or another thread trains with it."""
    jobs = process_slot("executing")
    with process_slot("locks").setdefault("executing", threading.Lock()):
        ours = token not in jobs and claims.is_held_with(store, run_id, token)
        if ours:
            jobs[token] = {"run": run_id, "control": control, "done": threading.Event()}
    try:
        yield ours
    finally:
        if ours:
            jobs.pop(token)["done"].set()


@contextmanager
def _process_tuned_for_training() -> Iterator[None]:
    """Keep torch's objects out of the garbage collector and shorten the thread switch interval while a run trains."""
    state = process_slot("training")
    lock = process_slot("locks").setdefault("training", threading.Lock())
    freeze_after_imports()
    with lock:
        if not state.get("runs"):
            state["switch_interval"] = sys.getswitchinterval()
            sys.setswitchinterval(SWITCH_INTERVAL)
            state["frozen_at_start"] = state["frozen_modules"]
        state["runs"] = state.get("runs", 0) + 1
    try:
        yield
    finally:
        with lock:
            state["runs"] -= 1
            if not state["runs"]:
                sys.setswitchinterval(state["switch_interval"])
                _collect(was_frozen=state["frozen_modules"] != state["frozen_at_start"])
                _give_memory_back()


def _collect(was_frozen: bool) -> None:
    """Collect what the run left behind, or memory grows with every run.

    A freeze while it trained took the run's own objects out of the collector's sight. Only then everything is looked through, which takes a second.
    """
    if was_frozen:
        gc.unfreeze()
    gc.collect()
    if was_frozen:
        gc.freeze()


def _give_memory_back() -> None:
    """Have glibc hand back what was freed. It keeps an arena for each thread, every run has a new one, and it was told to keep what it has."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
