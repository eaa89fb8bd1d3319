"""What a dashboard or a command does for ``MTL_EXECUTOR=ray``: it starts the store's queue on the cluster. It imports no Ray."""

from __future__ import annotations

from mtl_core import settings
from mtl_core.errors import ConfigError
from mtl_core.runs.background.command_process import run_command
from mtl_core.runs.background.program_end import is_closing
from mtl_core.runs.cluster.cluster_state import ClusterState, read_state
from mtl_core.runs.store import RunStore


def is_on_cluster() -> bool:
    """Whether runs train on a cluster. False for an executor that is not valid: ``settings.problems`` names it."""
    try:
        return settings.executor() == settings.CLUSTER
    except ConfigError:
        return False


def keep_queue(store: RunStore) -> None:
    """Start the queue on the cluster if the store has not heard of it lately. A process of its own does so, in some seconds.

    Raises:
        ConfigError, MTLError: the cluster cannot be used; the message says why.
    """
    address = settings.ray_address()
    if read_state(store, address).is_stale():
        run_command(store, ["cluster", "--json"], "started the queue on the Ray cluster", cancelled=is_closing)


def cluster_of(store: RunStore) -> ClusterState | None:
    """The state of the cluster that the environment names; None if runs train on this machine."""
    return read_state(store, settings.ray_address()) if is_on_cluster() else None
