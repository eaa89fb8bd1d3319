"""ClusterState: what a cluster has and which run is where, as its queue writes it into the store. Pages read it there, without Ray."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field

from sqlalchemy import insert, select

from mtl_core.runs.sql import schema
from mtl_core.runs.sql.clock import store_time
from mtl_core.runs.store import RunStore

KEY = "cluster"  # of the store's settings
IDENTITY = "identity"
STALE_SECONDS = 15.0  # since the queue on the cluster last wrote its state, which it does every few seconds
GIGABYTE = 1e9


@dataclass(frozen=True)
class Needs:
    """What a run takes of a node: cores, GPUs, and bytes of memory (0: not estimated)."""

    cpus: int = 1
    gpus: int = 0
    memory: int = 0

    def __str__(self) -> str:
        cores = f"{self.cpus} CPU{'s' if self.cpus != 1 else ''}"
        gpus = f", {self.gpus} GPU{'s' if self.gpus != 1 else ''}" if self.gpus else ""
        return cores + gpus + (f", {self.memory / GIGABYTE:.1f} GB" if self.memory else "")


@dataclass(frozen=True)
class Node:
    """One machine of the cluster. ``id``: Ray's; ``name``: its address; ``host``: its host name."""

    id: str
    name: str
    host: str
    cpus: int
    gpus: int
    memory: int

    def holds(self, needs: Needs) -> bool:
        """Whether a run with these needs fits into the empty node."""
        return self.cpus >= needs.cpus and self.gpus >= needs.gpus and self.memory >= needs.memory


@dataclass
class Placed:
    """A run that the cluster has. ``node``: id of the node that trains it, empty while it waits; ``restarts``: after its process was lost."""

    needs: Needs
    node: str = ""
    restarts: int = 0


@dataclass
class ClusterState:
    """``address`` of the head; ``at``: seconds since 1970 by the store's clock; ``runs`` by run id; ``problem``: why runs wait, or empty."""

    address: str
    at: float = 0.0
    nodes: list[Node] = field(default_factory=list)
    runs: dict[str, Placed] = field(default_factory=dict)
    problem: str = ""

    def is_stale(self) -> bool:
        """Whether the queue on the cluster has been silent for ``STALE_SECONDS``."""
        return not 0 <= store_time() - self.at + 1.0 <= STALE_SECONDS

    def runs_on(self, node: str) -> list[str]:
        """Ids of the runs on a node."""
        return [run_id for run_id, placed in self.runs.items() if placed.node == node]


def read_state(store: RunStore, address: str) -> ClusterState:
    """The last state of the cluster with this address; empty if its queue has never written one, or another program wrote it."""
    try:
        stored = json.loads(store.settings().get(f"{KEY} {address}", "{}"))
        nodes = [Node(**node) for node in stored.get("nodes", [])]
        runs = {run_id: Placed(Needs(**placed.pop("needs")), **placed) for run_id, placed in stored.get("runs", {}).items()}
        return ClusterState(address, float(stored.get("at", 0.0)), nodes, runs, str(stored.get("problem", "")))
    except (ValueError, TypeError, KeyError, AttributeError):
        return ClusterState(address)


def write_state(store: RunStore, state: ClusterState) -> None:
    """Write the state into the store, with the present time."""
    state.at = store_time()
    store.set(f"{KEY} {state.address}", json.dumps(asdict(state)))


def store_identity(store: RunStore) -> str:
    """A random name of the store, made at the first call: two machines see by it whether they work on one store."""
    meta = schema.meta
    with store.database.write() as connection:
        found = connection.execute(select(meta.c.value).where(meta.c.key == IDENTITY)).scalar()
        if not found:
            found = secrets.token_hex(8)
            connection.execute(insert(meta).values(key=IDENTITY, value=found))
    return found
