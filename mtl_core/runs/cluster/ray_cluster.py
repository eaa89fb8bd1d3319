"""A Ray cluster: the connection to it, and the actor on its head that holds the queue and owns the tasks.

The actor outlives whoever started it, so a dashboard can be restarted while runs train. Only ``mtl cluster`` and the cluster's own processes import
Ray: a process that is connected to a cluster ends when the cluster's head does, and a dashboard must not.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from typing import Any

from mtl_core import settings
from mtl_core.errors import ConfigError, MTLError, Problem
from mtl_core.runs.cluster.cluster_queue import LOST, ClusterQueue, TaskEnd
from mtl_core.runs.cluster.cluster_state import Needs, Node, store_identity
from mtl_core.runs.cluster.node_work import train_here
from mtl_core.runs.store import open_store

NAMESPACE = "mtl"
POLL_SECONDS = 0.5
ANSWER_SECONDS = 60.0  # for the actor's start: its process imports this program and opens the store
HEAD = "node:__internal_head__"  # a resource that Ray gives the head alone
_CAUSES = {  # name of Ray's error -> the cause in words
    "NodeDiedError": "its node is gone",
    "LocalRayletDiedError": "its node is gone",
    "WorkerCrashedError": "its node or process is gone",
    "OutOfMemoryError": "Ray ended it because its node ran out of memory",
    "TaskCancelledError": "its task was cancelled",
}
_logger = logging.getLogger(__name__)


def connect(address: str) -> Any:
    """Connect this process to the cluster and return the module ``ray``.

    Raises:
        ConfigError: Ray is not installed, token authentication is off, or the token is missing. MTLError: the cluster cannot be reached.
    """
    settings.ask_for_ray_token()
    if (found := settings.ray_authentication()) != "token":
        raise ConfigError(
            Problem("RAY_AUTH_MODE", f"expected token, found '{found}': whoever reaches a cluster without it runs code there. Set it to token")
        )
    try:
        ray = import_module("ray")
    except ModuleNotFoundError:
        raise ConfigError(Problem("MTL_EXECUTOR", "'ray' needs the package Ray. Install the extra: pip install '.[cluster]'")) from None
    if ray.is_initialized():
        return ray
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    except Exception as error:
        if type(error).__name__ == "AuthenticationError":
            raise ConfigError(
                Problem("RAY_AUTH_TOKEN_PATH", "this machine has no token of the cluster. Copy the head's ~/.ray/auth_token to the same place here")
            ) from None
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise MTLError(
            f"the Ray cluster at {address} cannot be reached from this machine ({said[0][:200]}). Check that 'ray start' has run here, that "
            "MTL_RAY_ADDRESS is its head, and that this machine has the head's token"
        ) from None
    return ray


def start_queue(address: str, follow_ups: Sequence[str] = ()) -> dict[str, Any]:
    """Start the queue of this process's store on the cluster, unless it runs there already. Returns what it answers: ``nodes``, a list.

    Args:
        follow_ups: functions of higher layers that the queue calls between runs, as ``module:name``; each takes the store.

    Raises:
        ConfigError: see ``connect``; or the cluster's head uses another store, or has no token authentication.
    """
    ray = connect(address)
    identity = store_identity(open_store())
    options = {"name": _actor_name(identity), "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True, "max_restarts": -1}
    actor = ray.remote(QueueActor).options(**options, num_cpus=0, resources={HEAD: 0.001}).remote(address, identity, list(follow_ups))
    try:
        answer = ray.get(actor.begin.remote(), timeout=ANSWER_SECONDS)
    except Exception as error:
        raise MTLError(f"the queue on the Ray cluster at {address} does not answer ({type(error).__name__}). See Ray's logs on the head") from None
    if answer["problem"]:
        ray.kill(actor)
        raise ConfigError(Problem("MTL_RAY_ADDRESS", answer["problem"]))
    return answer


def end_queue(address: str) -> bool:
    """End the queue of this process's store on the cluster. The runs that it has placed are interrupted. Returns whether there was one."""
    ray = connect(address)
    try:
        actor = ray.get_actor(_actor_name(store_identity(open_store())), namespace=NAMESPACE)
    except ValueError:
        return False
    ray.kill(actor)
    return True


def _actor_name(identity: str) -> str:
    return f"queue of store {identity}"


class QueueActor:
    """The queue of one store, in a process on the cluster's head. Ray starts it again if its process ends."""

    def __init__(self, address: str, identity: str, follow_ups: list[str]):
        self.problem, self.queue, self.lock = "", None, threading.Lock()
        try:
            self.queue = self._open(address, identity)
            _enter(follow_ups)
        except MTLError as error:
            self.problem = f"the cluster's head cannot use its settings or its run store: {error}"
            return
        threading.Thread(target=self._work, daemon=True).start()

    def _open(self, address: str, identity: str) -> ClusterQueue | None:
        if settings.ray_authentication() != "token":
            self.problem = "the cluster has no token authentication. End it, set RAY_AUTH_MODE=token on every machine, and start it again"
            return None
        store = open_store() if settings.names_home() else None
        if store is None or store_identity(store) != identity:
            self.problem = (
                "the cluster's head works on another run store. Set MTL_HOME (and MTL_STORE_URL) there to this one, then start Ray on it again"
            )
            return None
        ray = import_module("ray")
        return ClusterQueue(store, RayCluster(ray, ray.get_runtime_context().current_actor), address)

    def begin(self) -> dict[str, Any]:
        """Why the queue cannot work, or the nodes that it has."""
        return {"problem": self.problem, "nodes": [asdict(node) for node in nodes_of(import_module("ray"))]}

    def came(self, run_id: str, node: str) -> None:
        """Note that a node has claimed a run."""
        with self.lock:
            if self.queue:
                self.queue.came(run_id, node)

    def _work(self) -> None:
        while self.queue:
            try:
                with self.lock:
                    self.queue.round()
            except Exception:  # the store may be away for a moment; the runs and the queue go on
                traceback.print_exc()
            time.sleep(POLL_SECONDS)


def _enter(follow_ups: list[str]) -> None:
    from mtl_core.runs import study_cells

    for place in follow_ups:
        module, _, name = place.partition(":")
        study_cells.FOLLOW_UPS[name] = getattr(import_module(module), name)


class RayCluster:
    """The cluster that this actor belongs to, for ``ClusterQueue``. ``queue``: handle of the actor, which hears from the tasks."""

    def __init__(self, ray: Any, queue: Any):
        self._ray, self._queue = ray, queue
        # A process trains one run and ends: it gives back all its memory, that of its GPU too. The store decides about restarts, not Ray.
        self._train = ray.remote(max_calls=1, max_retries=0)(_train)

    def nodes(self) -> list[Node]:
        """The nodes that are alive."""
        return nodes_of(self._ray)

    def launch(self, run_id: str, needs: Needs) -> Any:
        """Make the run's task, with its cores, GPUs and memory."""
        asked = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "memory": needs.memory or None, "name": f"run {run_id}"}
        return self._train.options(**asked, scheduling_strategy="SPREAD").remote(run_id, self._queue)

    def end_of(self, task: Any) -> TaskEnd | None:
        """How a task ended; None while it waits or trains."""
        ended, _ = self._ray.wait([task], timeout=0)
        if not ended:
            return None
        try:
            return TaskEnd(**self._ray.get(task))
        except Exception as error:
            name = type(error).__name__
            return TaskEnd(LOST, _CAUSES.get(name, f"its process ended ({name})"))

    def cancel(self, task: Any) -> None:
        """End a task, and its process if it has one."""
        self._ray.cancel(task, force=True)


def nodes_of(ray: Any) -> list[Node]:
    """The cluster's nodes that are alive, by address."""
    found = [(node, node["Resources"]) for node in ray.nodes() if node["Alive"] and "memory" in node["Resources"]]
    made = [
        Node(
            id=node["NodeID"],
            name=node["NodeManagerAddress"],
            host=node["NodeManagerHostname"],
            cpus=int(has.get("CPU", 0)),
            gpus=int(has.get("GPU", 0)),
            memory=int(has["memory"]),
        )
        for node, has in found
    ]
    return sorted(made, key=lambda node: (node.name, node.id))


def _train(run_id: str, queue: Any) -> dict[str, str]:
    """The task: trains a run on the node where Ray has placed it."""
    ray = import_module("ray")
    context = ray.get_runtime_context()
    node = context.get_node_id()
    name = f"{ray.util.get_node_ip_address()} ({node[:8]})"
    return asdict(train_here(run_id, name, lambda: queue.came.remote(run_id, node)))
