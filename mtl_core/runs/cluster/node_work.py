"""The work of a node: it claims one queued run of its store and trains it. Nothing here needs Ray."""

from __future__ import annotations

from collections.abc import Callable

from mtl_core import settings
from mtl_core.errors import MTLError, RunNotFoundError
from mtl_core.runs import claims
from mtl_core.runs.cluster.cluster_queue import ENDED, NOT_TAKEN, REFUSED, TaskEnd
from mtl_core.runs.store import open_store


def train_here(run_id: str, node: str, tell: Callable[[], None] = lambda: None) -> TaskEnd:
    """Claim a queued run and train it to its end in this process.

    The store is that of this machine's MTL_HOME and MTL_STORE_URL. The cluster has given the run its cores and GPUs, so a run that this machine
    trains already is no obstacle.

    Args:
        node: the node's name, for the run's log.
        tell: called once the run is claimed.
    """
    try:
        settings.check()
        settings.use_threads()
        store = open_store()
        run = store.get(run_id)
        from mtl_core.runs.executor import execute, resolve_device
        from mtl_core.runs.sets.set_states import missing_here

        if missing := missing_here(store, run.config):
            return TaskEnd(REFUSED, f"node {node} cannot train it: {missing}")

        token = claims.claim(store, run.id, resolve_device(run.config.device), alone=False)
    except RunNotFoundError:
        return TaskEnd(REFUSED, f"node {node} works on another run store. Set MTL_HOME and MTL_STORE_URL there, then start Ray on it again")
    except MTLError as error:
        return TaskEnd(REFUSED, f"node {node} cannot use its settings or its run store: {error}")
    if not token:
        return TaskEnd(NOT_TAKEN)
    tell()
    store.note(run.id, "info", f"trains on node {node} of the cluster")
    execute(store, run.id, token=token)
    return TaskEnd(ENDED)
