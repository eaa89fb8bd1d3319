"""A real Ray cluster whose node has a folder of its own: an object store takes an imported set to it. Skipped where Ray or PostgreSQL is missing."""

import os
import shutil
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from imported_sets import arrays_of, config_on, import_as, pictures
from victims import PATIENCE

from mtl_core.data import open_source
from mtl_core.data.prepared_identity import data_hash
from mtl_core.runs.cluster.cluster_start import keep_queue
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray, see requirements-cluster.txt")]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def elsewhere(tmp_path, empty, monkeypatch, ray_token):
    """The folder of a cluster's only node that trains. This process, the head and the node share a database and an object store, nothing else."""
    folder, node_home = Path("/tmp") / f"mtl-ray-{os.getpid()}-own", tmp_path / "node"  # a socket's path has at most 107 characters
    folder.mkdir()
    (folder / "token").write_text(ray_token)
    surroundings = {
        "MTL_HOME": str(tmp_path / "dashboard"),
        "MTL_STORE_URL": empty.url,
        "MTL_ARTIFACTS_URL": f"file://{tmp_path / 'objects'}",
        "MTL_EXECUTOR": "ray",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(folder / "token"),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
    }
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        monkeypatch.setenv("MTL_RAY_ADDRESS", made.address)
        made.add_node(num_cpus=1, include_dashboard=False, env_vars={"MTL_HOME": str(node_home)})
        yield node_home
    finally:
        made.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_node_without_the_sets_files_fetches_it_and_trains(elsewhere, tmp_path):
    store = open_store()
    import_as(store, pictures(tmp_path / "我的 照片"))
    (tmp_path / "我的 照片").rename(tmp_path / "on no other machine")
    run = store.create(config_on("days"))
    keep_queue(store)
    deadline = time.monotonic() + PATIENCE
    while not store.get(run.id).status.is_ended():
        assert time.monotonic() < deadline, [line.text for line in store.log(run.id)]
        threading.Event().wait(0.25)
    ended = store.get(run.id)
    assert ended.status == RunStatus.FINISHED, ended.failure
    said = [line.text for line in store.log(run.id)]
    assert [line for line in said if line.startswith("fetching the data set 'days' from the object store")]
    assert [line for line in said if line.startswith("trains on node")]
    assert ended.info["data_hash"] == data_hash(open_source(run.config.data))
    here = arrays_of(store)
    assert here
    fetched = (path for path in (elsewhere / "data").glob("imported-*/**/*") if path.is_file())
    assert {path.relative_to(elsewhere / "data").as_posix(): path.read_bytes() for path in fetched} == here
