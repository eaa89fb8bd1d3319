"""Runs on a real Ray cluster of simulated nodes, each with processes of its own; skipped where Ray is not installed."""

import os
import shutil
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from evidence import Wholes, brief
from victims import PATIENCE

from mtl_core.__main__ import main
from mtl_core.runs import actions, jobs
from mtl_core.runs.cluster.cluster_start import keep_queue
from mtl_core.runs.cluster.cluster_state import read_state
from mtl_core.runs.store import open_store

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
POLL = 0.25  # seconds; each look at the store takes processor time from the cluster


def until(true):
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < deadline
        threading.Event().wait(POLL)
    return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, ray_token):
    """A head that trains nothing and two nodes of one core: the cluster, its nodes, and the store that all work on."""
    if find_spec("ray") is None:  # it reads the mode of its authentication when it is imported, so that comes later
        pytest.skip("needs Ray, see requirements-cluster.txt")
    folder = Path("/tmp") / f"mtl-ray-{os.getpid()}"  # a socket's path has at most 107 characters
    folder.mkdir()
    (folder / "token").write_text(ray_token)
    surroundings = {
        "MTL_HOME": str(tmp_path_factory.mktemp("cluster")),
        "MTL_EXECUTOR": "ray",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in surroundings.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 3}
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, "_system_config": quick})
        try:
            patch.setenv("MTL_RAY_ADDRESS", made.address)
            yield made, [made.add_node(num_cpus=1, include_dashboard=False) for _ in range(2)]
        finally:
            made.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(cluster):
    return open_store()


@pytest.fixture
def home():
    return Path(os.environ["MTL_HOME"])


def test_a_run_whose_node_is_killed_is_resumed_elsewhere_and_ends_as_if_nothing_had_been(cluster, store, tmp_path_factory, one_thread):
    made, nodes = cluster
    killed, steered = (store.create(brief(epochs=epochs)).id for epochs in (30, 400))
    jobs.start_worker(store)  # as a dashboard does: it starts the queue on the cluster
    until(lambda: store.get(killed).epoch >= 2 and store.get(steered).epoch >= 1)
    state = read_state(store, made.address)
    place = {run: next(node for node in nodes if node.node_id == state.runs[run].node) for run in (killed, steered)}
    assert place[killed] is not place[steered]
    actions.pause(store, steered)
    made.remove_node(place[killed], allow_graceful=False)
    until(lambda: store.get(steered).status == "paused")
    actions.change(store, steered, "optimizer.lr", 0.0004)
    actions.proceed(store, steered)
    until(lambda: store.get(steered).config.changes)
    actions.stop(store, steered)  # its node is free then, and the other run goes on there
    until(lambda: store.get(killed).status == "finished")
    assert store.get(steered).status == "stopped"
    said = [line.text for line in store.log(killed)]
    assert sum(line.startswith("restarted by the cluster, 1 of at most 3 times: its node") for line in said) == 1
    assert sum(line.startswith("training continues at step") for line in said) == 1
    assert sum(line.startswith("finished after") for line in said) == 1
    assert len({line for line in said if line.startswith("trains on node")}) == 2
    Wholes(tmp_path_factory.mktemp("wholes")).assert_same(store, killed)
    until(lambda: not read_state(store, made.address).runs)


def test_a_cluster_without_the_token_or_with_another_store_is_refused_in_words(cluster, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert main(["cluster"]) == 2
    assert "RAY_AUTH_MODE: expected token, found 'disabled'" in capfd.readouterr().err
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "other"))
    with pytest.raises(Exception, match="the cluster's head works on another run store"):
        keep_queue(open_store())
