"""ClusterQueue: places queued runs on a cluster's nodes, and restarts those whose node or process is gone.

The cluster only places tasks and says when they have ended. Whether a run trains, was stopped, or is to be resumed is read in the store. So a run
that is placed twice trains once: its second task finds it claimed.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from mtl_core.errors import MTLError, RunNotFoundError
from mtl_core.runs import claims, study_cells
from mtl_core.runs.cluster.cluster_state import Needs, Node, Placed, read_state, write_state
from mtl_core.runs.cluster.run_needs import needs_of
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.run_record import Run
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore

MOST_RESTARTS = 3  # of one run by the cluster: a run that ends its process each time would be tried for ever
AHEAD = 8  # runs that wait in the cluster; the others keep their order in the store's queue, which people can change
REFUSED_SECONDS = 30.0  # between a task that could not use its node's store and the next attempt
STATE_SECONDS = 4.0  # between two states that the store is given
ENDED, NOT_TAKEN, REFUSED, LOST = "ended", "not taken", "refused", "lost"  # how a task ended

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskEnd:
    """How a task ended, and why in words."""

    outcome: str
    why: str = ""


class Cluster(Protocol):
    """What the queue asks of a cluster. A task is whatever ``launch`` returns."""

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        ...

    def launch(self, run_id: str, needs: Needs) -> Any:
        """Ask for the training of a run; returns at once."""
        ...

    def end_of(self, task: Any) -> TaskEnd | None:
        """How a task ended; None while it waits or trains."""
        ...

    def cancel(self, task: Any) -> None:
        """End a task, and its process if it has one."""
        ...


class ClusterQueue:
    """The queue of one store on one cluster. ``round`` does what is due.

    Args:
        pool: estimates what runs need. The first estimate imports PyTorch, and the queue goes on meanwhile.
    """

    def __init__(self, store: RunStore, cluster: Cluster, address: str, pool: Executor | None = None):
        self.store, self.cluster = store, cluster
        self._pool = pool or ThreadPoolExecutor(1, thread_name_prefix="needs")
        self._needs: dict[str, Future[Needs]] = {}  # by run, while its estimate is made
        self.state = read_state(store, address)
        self._tasks: dict[str, Any] = {}  # by run; runs of ``state`` without a task were placed by a queue before this one
        self._refused: dict[str, tuple[float, str]] = {}  # run -> when it may be tried again, and why it was refused
        self._written = 0.0
        self._changed = True

    def came(self, run_id: str, node: str) -> None:
        """Note that a node has claimed a run."""
        if placed := self.state.runs.get(run_id):
            placed.node, self._changed = node, True

    def round(self) -> None:
        """Look after the runs on the cluster, place queued ones, and write the state into the store."""
        nodes = self.cluster.nodes()
        self._changed |= nodes != self.state.nodes
        self.state.nodes = nodes
        self.store.sweep_if_due()
        study_cells.resume_interrupted(self.store)
        for follow_up in list(study_cells.FOLLOW_UPS.values()):
            follow_up(self.store)
        for run_id in list(self.state.runs):
            self._look_after(run_id, self.state.runs[run_id])
        self._place()
        if self._changed or time.monotonic() - self._written >= STATE_SECONDS:
            self._write()

    def _write(self) -> None:
        write_state(self.store, self.state)
        self._written, self._changed = time.monotonic(), False

    def _forget(self, run_id: str) -> None:
        self.state.runs.pop(run_id, None)
        self._tasks.pop(run_id, None)
        self._changed = True

    def _look_after(self, run_id: str, placed: Placed) -> None:
        try:
            run = self.store.get(run_id)  # it marks a run whose process is gone as interrupted
        except RunNotFoundError:
            return self._drop(run_id)
        task = self._tasks.get(run_id)
        end = self.cluster.end_of(task) if task is not None else None
        if task is not None and end is None:
            if _is_unwanted(run):
                self._drop(run_id)
            return None
        if task is not None:
            del self._tasks[run_id]
            placed.node, self._changed = "", True
        if end is not None and end.outcome == REFUSED:
            self._refused[run_id] = (time.monotonic() + REFUSED_SECONDS, f"run {run_id}: {end.why}")
        if run.status == RunStatus.INTERRUPTED:
            return self._restart(run, placed, end)
        if run.status.is_ended() or (run.status.is_active() and end is not None and end.outcome == NOT_TAKEN):
            return self._forget(run_id)
        return None  # queued: it is placed again. Active: its machine has been silent for less than 15 s, and may be alive

    def _drop(self, run_id: str) -> None:
        if (task := self._tasks.get(run_id)) is not None:
            self.cluster.cancel(task)
        self._forget(run_id)

    def _restart(self, run: Run, placed: Placed, end: TaskEnd | None) -> None:
        """Queue an interrupted run again unless a person wanted it to end or to wait."""
        why = why_not(self.store, run, placed.restarts)
        if why is None:
            cause = end.why if end is not None and end.outcome == LOST else "its node or process is gone"
            try:
                resume(self.store, run.id)
            except MTLError as error:  # a person or a study was faster, or its checkpoint holds no training state
                _logger.warning("run %s is not restarted: %s", run.id, error)
                return self._forget(run.id) if self.store.get(run.id).status == RunStatus.INTERRUPTED else None
            placed.restarts += 1
            placed.node, self._changed = "", True
            self.store.note(run.id, "warning", f"restarted by the cluster, {placed.restarts} of at most {MOST_RESTARTS} times: {cause}")
            return None
        if why:
            self.store.note(run.id, "warning", f"not restarted by the cluster: {why}")
        return self._forget(run.id)

    def _place(self) -> None:
        """Give the cluster the next queued runs. The store names them before their tasks exist, so that a queue after this one looks after them."""
        waiting = self.store.queued()
        ids = {run.id for run in waiting}
        ahead = sum(run_id in ids for run_id in self._tasks)
        self._refused = {run_id: refusal for run_id, refusal in self._refused.items() if run_id in ids}
        self._needs = {run_id: future for run_id, future in self._needs.items() if run_id in ids}
        problems = [why for _, why in self._refused.values()]
        chosen = []
        for run in waiting:
            if ahead + len(chosen) >= AHEAD:
                break
            if run.id in self._tasks or time.monotonic() < self._refused.get(run.id, (0.0, ""))[0]:
                continue
            needs = self._needs_of(run)
            if needs is None:
                break  # a later run does not overtake it for that
            if not any(node.holds(needs) for node in self.state.nodes):
                problems.append(f"run {run.id} needs {needs}, and no node of the cluster has that much")
                continue
            self.state.runs.setdefault(run.id, Placed(needs)).needs = needs
            chosen.append((run.id, needs))
        self._changed |= bool(chosen) or self.state.problem != "; ".join(problems[:3])
        self.state.problem = "; ".join(problems[:3])
        if chosen:
            self._write()
        for run_id, needs in chosen:
            self._tasks[run_id] = self.cluster.launch(run_id, needs)

    def _needs_of(self, run: Run) -> Needs | None:
        """What a run needs on the present nodes; None while that is estimated."""
        future = self._needs.get(run.id)
        if future is None:
            future = self._needs[run.id] = self._pool.submit(needs_of, run.config, list(self.state.nodes))
        if not future.done():
            return None
        del self._needs[run.id]  # the nodes may be others when it is asked again
        return future.result()


def _is_unwanted(run: Run) -> bool:
    """Whether nobody wants the task of a run: it was taken out of the queue before it began, or given up by hand while it hung."""
    return (run.status == RunStatus.STOPPED and run.started_at is None) or (run.status == RunStatus.INTERRUPTED and not run.holder)


def why_not(store: RunStore, run: Run, restarts: int) -> str | None:
    """Why the cluster leaves an interrupted run as it is; empty where its log has said so; None if the run is to be restarted."""
    if not run.holder:
        return ""  # given up by hand
    asked = claims.requests_of_attempt(store, run.id)
    if "stop" in asked:
        return "it had been asked to stop"
    if [kind for kind in asked if kind in ("pause", "proceed")][-1:] == ["pause"]:
        return "it was paused. Resume it to train it further"
    if restarts >= MOST_RESTARTS:
        return f"it was restarted {restarts} times already. Resume it once the cause is found"
    return None
