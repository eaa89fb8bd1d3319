"""Three simulated nodes of a Ray cluster on one PostgreSQL store, killed at random: is every run finished once, and each as if undisturbed?

    python -m benchmarks.many_runs.cluster_stress [--runs 200] [--kills 20] [--restarts 1] [--minutes 40] [--seed 0] [--study]

Kills strike a run's process or, every second time, a whole node; another node is added in its place. The database restarts while runs train. The
cluster restarts lost runs itself; a run that it leaves interrupted is resumed here, as a person would. With ``--study`` a study of two methods and
two seeds follows on the same cluster. In the end every run is compared with one that nobody disturbed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "runs"))
from evidence import KINDS, brief
from postgres_server import Server

from benchmarks.many_runs.shared_store import check
from mtl_core.errors import MTLError
from mtl_core.runs import actions, jobs
from mtl_core.runs.cluster.cluster_state import read_state
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.run_record import Run
from mtl_core.runs.store import RunStore, open_store
from mtl_core.studies import study_actions

ROOT = Path(__file__).parents[2]
NODES, EPOCHS = 3, 4
TRIES = 10  # to start a node
LOOK = 0.5  # seconds between two looks


def stress(store: RunStore, server: Server, cluster: Any, nodes: list[Any], arguments: argparse.Namespace) -> Counter[str]:
    """Kill and restart until every run has finished. Returns what happened, counted."""
    chance, happened, total = random.Random(arguments.seed), Counter(), store.count()
    marks = sorted(chance.sample(range(total - 1), min(arguments.kills, total - 1)))  # kills, by the number of runs that have finished
    restarts = [total * (number + 1) // (arguments.restarts + 1) for number in range(arguments.restarts)]
    ends = time.monotonic() + 60 * arguments.minutes
    while True:
        runs = store.runs()
        finished = sum(run.status == "finished" for run in runs)
        if finished + sum(run.status == "stopped" for run in runs) == total:
            break
        if time.monotonic() > ends:
            withdraw(store, runs)
        trains = [run.id for run in runs if run.status == "running" and run.step]
        if marks and finished >= marks[0] and trains:
            marks.pop(0)
            run_id = chance.choice(trains)
            place = read_state(store, cluster.address).runs.get(run_id)
            node = next((each for each in nodes if place and each.node_id == place.node), None)
            if sum(happened[each] for each in ("killed processes", "killed nodes")) % 2 and node is not None:
                nodes.remove(node)
                cluster.remove_node(node, allow_graceful=False)
                nodes.append(add_node(cluster))
                happened["killed nodes"] += 1
            else:
                with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                    os.kill(store.owner(run_id).pid, signal.SIGKILL)
                    happened["killed processes"] += 1
        if restarts and finished >= restarts[0]:
            restarts.pop(0)
            server.stop()
            server.start()
            happened["restarts of the database"] += 1
        placed = read_state(store, cluster.address).runs
        for run in runs:
            if run.status == "failed" or (run.status == "interrupted" and run.id not in placed):
                with contextlib.suppress(MTLError):
                    resume(store, run.id)
                    happened[f"resumed by hand after it was {run.status}"] += 1
        threading.Event().wait(LOOK)
    happened["restarted by the cluster"] = sum(line.text.startswith("restarted by the cluster") for run in store.runs() for line in store.log(run.id))
    return happened


def started(start: Callable[[], Any]) -> Any:
    """What ``start`` gives: a cluster with its head, or a node. It is tried again, as Ray gives up after 30 s, too soon on a busy machine."""
    for _ in range(TRIES):
        with contextlib.suppress(Exception):  # Ray raises the bare class
            return start()
        print("a node was not there after 30 s; it is tried again", flush=True)
    raise SystemExit(f"no node started in {TRIES} tries")


def add_node(cluster: Any) -> Any:
    """Add a node of one core."""
    return started(lambda: cluster.add_node(num_cpus=1, include_dashboard=False))


def withdraw(store: RunStore, runs: list[Run]) -> None:
    """Take the runs that have not begun out of the queue."""
    for run in runs:
        if run.status == "queued" and run.started_at is None:
            actions.stop(store, run.id)


def study_on(store: RunStore) -> str:
    """Run a study of two methods and two seeds; what came of it."""
    before = {run.id for run in store.runs()}
    drafted = study_actions.draft("methods", brief(epochs=2), {"options": {"methods": ["pcgrad"], "sweep": 0}}, range(2))
    study = study_actions.start(store, study_actions.create(store, drafted).id)
    while study_actions.is_going(store, study):
        threading.Event().wait(LOOK)
    runs = [run for run in store.runs() if run.id not in before]
    nodes = {line.text for run in runs for line in store.log(run.id) if line.text.startswith("trains on node")}
    return f"study: {Counter(str(run.status) for run in runs)} of {study.planned_runs} runs, on {len(nodes)} nodes"


def main() -> None:
    """Run the stress and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("runs", 200), ("kills", 20), ("restarts", 1), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="then runs that have not begun leave the queue, and the others count")
    parser.add_argument("--study", action="store_true")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mtl-ray-", dir="/tmp"))  # a socket's path has at most 107 characters
    folder.chmod(0o755)
    for name in ("server", "home"):
        (folder / name).mkdir()
    (folder / "token").write_text(secrets.token_hex(32))
    server = Server(folder / "server")
    surroundings = {"MTL_HOME": str(folder / "home"), "MTL_STORE_URL": server.url, "MTL_EXECUTOR": "ray", "OMP_NUM_THREADS": "1"}
    surroundings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_TMPDIR": str(folder)}
    surroundings |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    os.environ.update(surroundings)
    from ray.cluster_utils import Cluster  # it reads the mode of its authentication when it is imported

    cluster = None
    try:
        server.start()
        store, kinds = open_store(), list(KINDS)
        for number in range(arguments.runs):
            store.create(brief(kinds[number % len(kinds)], epochs=EPOCHS))
        cluster = started(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}))
        os.environ["MTL_RAY_ADDRESS"] = cluster.address
        nodes = [add_node(cluster) for _ in range(NODES)]
        began = time.monotonic()
        jobs.start_worker(store)  # as a dashboard does: it starts the queue on the cluster
        happened = stress(store, server, cluster, nodes, arguments)
        seconds = time.monotonic() - began
        print(study_on(store) if arguments.study else "", flush=True)
        cluster.shutdown()
        cluster = None
        del os.environ["MTL_EXECUTOR"]
        begun = [run for run in store.runs() if run.status != "stopped"]
        faults = check(store, folder / "wholes", begun)
        print(f"| runs | {' | '.join(happened)} | seconds | faults |")
        print(f"|{'---|' * (len(happened) + 3)}")
        print(f"| {len(begun)} of {arguments.runs} | {' | '.join(map(str, happened.values()))} | {seconds:.0f} | {len(faults)} |")
        print("\n".join(faults))
        print(f"load {os.getloadavg()[0]:.0f}")
    finally:
        if cluster is not None:
            cluster.shutdown()
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
