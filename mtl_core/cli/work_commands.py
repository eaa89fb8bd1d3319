"""``work``: train one queued run in this process, as the dashboard's process executor does, or the whole queue. ``cluster``: on a Ray cluster."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from mtl_core import settings
from mtl_core.cli.disk_full import Unwritten
from mtl_core.cli.output import JSON, complain, emit, emit_json, emit_table, headline, json_refusals, say
from mtl_core.errors import ConfigError, Problem
from mtl_core.events import Control
from mtl_core.runs.cluster.cluster_start import is_on_cluster, keep_queue
from mtl_core.runs.cluster.cluster_state import ClusterState, Node, read_state
from mtl_core.runs.jobs import NOT_TAKEN
from mtl_core.runs.run_record import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store

DONE, FAILED, STOPPED = 0, 1, 130  # exit codes, beside NOT_TAKEN
POLL_SECONDS = 0.5  # between two checks whether a device is free
FOLLOW_UPS = ("mtl_core.studies.weight_search:queue_next_trials",)  # what the queue on a cluster does for studies between runs
CLUSTER_SECONDS = 2.0  # between two looks at what the cluster has taken


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--queue", "whole_queue", is_flag=True, help="Train every queued run, one after another, until the queue is empty.")
def work(run_id: str | None, whole_queue: bool) -> int:
    """Claim the queued RUN and train it in this process, or train the whole queue.

    The dashboard starts this for each run when its executor is 'process'. SIGTERM and Ctrl-C save the state and mark the run as interrupted, so that
    it can be resumed. Exit code: 0 it ended, 1 it (or one of the queue) failed, 3 it was not queued, or its device is busy, 130 after Ctrl-C.
    """
    if (run_id is None) != whole_queue:
        raise click.UsageError("give either a RUN or --queue")
    store = open_store()
    return _one(store, run_id) if run_id else train_queue(store, lambda: _queued(store))


def _queued(store: RunStore) -> list[Run]:
    """The queued runs, with those that a search of weights adds now."""
    from mtl_core.studies.weight_search import queue_next_trials

    queue_next_trials(store)
    return store.queued()


def _one(store: RunStore, run_id: str) -> int:
    run, signals = store.get(run_id), []
    ended = _train(store, run, signals)
    if ended is None:
        complain(f"run {run.id} cannot be claimed: it is {store.get(run.id).status}, or another run holds its device")
        return _code(NOT_TAKEN, signals)
    return _code(FAILED if ended.status == RunStatus.FAILED else DONE, signals)


def _code(code: int, signals: list[int]) -> int:
    """The exit code after these signals. SIGTERM is no failure, because a service manager ends a service with it."""
    return STOPPED if signal.SIGINT in signals else code


def train_queue(store: RunStore, wanted: Callable[[], list[Run]] | None = None, report: Callable[[str], None] = emit) -> int:
    """Train queued runs in their order until none is left or a signal arrives. Waits for a busy device. Returns the exit code.

    Args:
        wanted: the queued runs that are trained; None for the whole queue.
        report: prints a line for each run that has ended.
    """
    if is_on_cluster():
        return _leave_to_cluster(store, wanted or store.queued)
    code, signals = DONE, []
    while not signals and (waiting := (wanted or store.queued)()):
        ended = next((run for run in (_train(store, each, signals) for each in waiting) if run), None)
        if ended is None:
            time.sleep(POLL_SECONDS)
            continue
        report(headline(ended))
        if ended.status == RunStatus.FAILED:
            code = FAILED
    return _code(code, signals)


def _leave_to_cluster(store: RunStore, wanted: Callable[[], list[Run]]) -> int:
    """Wait until the cluster has taken all runs that are wanted. Ctrl-C ends the waiting only."""
    while wanted():
        keep_queue(store)
        time.sleep(CLUSTER_SECONDS)
    return DONE


def _train(store: RunStore, run: Run, signals: list[int]) -> Run | None:
    """Train a run and return it after its end; None if it cannot be claimed."""
    from mtl_core.runs import claims
    from mtl_core.runs.executor import devices_for, execute

    token = claims.claim_first(store, run.id, devices_for(run.config))
    if not token:
        return None
    control, training = Control(), threading.Event()

    def look(event: Any) -> None:
        if type(event).__name__ == "RunStarted":
            training.set()

    try:
        with _end_on_signals(control, signals, training):
            return execute(store, run.id, control, look, token=token, on_unwritten=Unwritten(run.id, control))
    except _EndedBeforeTraining:
        return store.get(run.id)


class _EndedBeforeTraining(BaseException):
    """A signal arrived during the import of PyTorch or the preparation of data. There is no state to save, and both may outlast the time limit."""


@contextmanager
def _end_on_signals(control: Control, signals: list[int], training: threading.Event) -> Iterator[None]:
    """On the first SIGINT or SIGTERM the run saves its state (nothing before ``training`` is set) and is interrupted; the next ends the process."""
    from mtl_core.runs.background.program_end import mark_closing

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


@click.command()
@click.option("--end", is_flag=True, help="End the queue on the cluster. The runs that it trains are interrupted and can be resumed.")
@JSON
def cluster(end: bool, as_json: bool) -> int:
    """Start this store's queue on the Ray cluster at MTL_RAY_ADDRESS, if it is not there, and show the nodes and their runs.

    The dashboard does so by itself with MTL_EXECUTOR=ray. The queue stays on the cluster's head when this command, or the dashboard, has ended.
    """
    from mtl_core.runs.cluster import ray_cluster

    with json_refusals(as_json):
        address = settings.ray_address()
        if not address:
            raise ConfigError(Problem("MTL_RAY_ADDRESS", "the command needs the cluster's address; set it to the head's, such as 10.0.0.5:6379"))
        store = open_store()
        if end:
            was_there = ray_cluster.end_queue(address)
        else:
            nodes = [Node(**node) for node in ray_cluster.start_queue(address, FOLLOW_UPS)["nodes"]]
            state = read_state(store, address)
            state.nodes = nodes
    if end:
        said = "the queue on the cluster has ended" if was_there else "there was no queue on the cluster"
        emit_json({"status": "ended", "was_there": was_there}) if as_json else emit(said)
        return 0
    if as_json:
        emit_json({"status": "ok", **asdict(state)})
    else:
        _show(state, len(store.queued()))
    return 0


def _show(state: ClusterState, queued: int) -> None:
    rows: list[tuple[Any, ...]] = [
        (node.name, node.id[:8], str(node.cpus), str(node.gpus), f"{node.memory / 1e9:.0f} GB", ", ".join(state.runs_on(node.id)) or "-")
        for node in state.nodes
    ]
    emit_table(("node", "id", "CPUs", "GPUs", "memory", "runs"), rows, numbers=("CPUs", "GPUs"), cut="runs")
    emit(f"{queued} queued")
    if state.problem:
        say(f"waiting: {state.problem}")
