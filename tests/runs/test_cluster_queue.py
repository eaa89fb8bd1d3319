"""The queue on a cluster, with a cluster that the tests command and without Ray: what is placed, restarted, and left alone."""

import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import pytest
from imported_sets import config_on, import_as, pictures

from mtl_core import settings
from mtl_core.errors import ConfigError
from mtl_core.runs import actions, claims, jobs
from mtl_core.runs.cluster import cluster_queue, node_work
from mtl_core.runs.cluster.cluster_queue import AHEAD, ENDED, LOST, MOST_RESTARTS, NOT_TAKEN, REFUSED, ClusterQueue, TaskEnd
from mtl_core.runs.cluster.cluster_start import cluster_of
from mtl_core.runs.cluster.cluster_state import STALE_SECONDS, Needs, Node, read_state, store_identity, write_state
from mtl_core.runs.cluster.run_needs import PROGRAM, needs_of
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus

HEAD = "10.0.0.5:6379"
SMALL, LARGE = Node("a" * 8, "10.0.0.6", "first", 2, 0, 8 << 30), Node("b" * 8, "10.0.0.7", "second", 8, 2, 64 << 30)


class Commanded:
    """A cluster whose tasks end when the test says so. A task is the run's id with its number."""

    def __init__(self, *nodes):
        self.alive, self.launched, self.ends, self.cancelled = list(nodes), [], {}, []

    def nodes(self):
        return self.alive

    def launch(self, run_id, needs):
        self.launched.append((run_id, needs))
        return (run_id, len(self.launched))

    def end_of(self, task):
        return self.ends.pop(task[0], None)

    def cancel(self, task):
        self.cancelled.append(task[0])

    def runs(self):
        return [run_id for run_id, _ in self.launched]


class AtOnce(Executor):
    """Computes in the thread that asks."""

    def submit(self, work, *arguments):
        made = Future()
        made.set_result(work(*arguments))
        return made


@pytest.fixture
def cluster():
    return Commanded(SMALL, LARGE)


@pytest.fixture(autouse=True)
def _as_on_a_node(monkeypatch, home):
    monkeypatch.setenv("MTL_HOME", str(home))
    monkeypatch.setattr("mtl_core.runs.cluster.run_needs._estimated", lambda config: 0)


@pytest.fixture
def queue(store, cluster):
    return ClusterQueue(store, cluster, HEAD, AtOnce())


def lose(store, queue, cluster, run_id, why="its node is gone"):
    """The run is claimed, then its process is gone."""
    token = claims.claim(store, run_id, "cpu", alone=False)
    assert token
    queue.came(run_id, SMALL.id)
    with store.database.write() as connection:
        connection.execute(schema.runs.update().where(schema.runs.c.id == run_id).values(owner_pid=2**22 + 1))
    cluster.ends[run_id] = TaskEnd(LOST, why)


def lines(store, run_id):
    return [line.text for line in store.log(run_id)]


def test_runs_are_placed_in_the_queues_order_a_few_ahead(store, config, cluster, queue):
    ids = [store.create(config()).id for _ in range(AHEAD + 2)]
    actions.move(store, ids[-1], 1)
    queue.round()
    assert cluster.runs() == [ids[-1], *ids[: AHEAD - 1]]
    queue.round()
    assert len(cluster.launched) == AHEAD  # nothing is placed twice
    claims.claim(store, ids[-1], "cpu", alone=False)
    queue.round()
    assert cluster.runs()[AHEAD:] == [ids[AHEAD - 1]]


def test_the_queue_goes_on_while_an_estimate_is_made_and_no_run_overtakes(store, config, cluster, monkeypatch):
    slow = threading.Event()
    monkeypatch.setattr(cluster_queue, "needs_of", lambda config, nodes: (slow.wait(30), Needs())[1])
    runs = [store.create(config()).id for _ in range(2)]
    with ThreadPoolExecutor(1) as pool:
        queue = ClusterQueue(store, cluster, HEAD, pool)
        queue.round()
        assert cluster.runs() == []
        assert not read_state(store, HEAD).is_stale()
        slow.set()
        while len(cluster.launched) < 2:
            queue.round()
    assert cluster.runs() == runs


def test_a_lost_run_is_resumed_first_in_the_line_a_limited_number_of_times(store, config, cluster, queue):
    run, other = store.create(config()).id, store.create(config()).id
    for number in range(MOST_RESTARTS):
        queue.round()
        lose(store, queue, cluster, run)
        queue.round()
        assert lines(store, run)[-1] == f"restarted by the cluster, {number + 1} of at most {MOST_RESTARTS} times: its node is gone"
        assert store.queued()[0].id == run
        assert cluster.runs().count(run) == number + 2
    lose(store, queue, cluster, run)
    queue.round()
    queue.round()
    assert store.get(run).status == "interrupted"
    assert lines(store, run)[-1] == f"not restarted by the cluster: it was restarted {MOST_RESTARTS} times already. Resume it once the cause is found"
    assert cluster.runs().count(run) == MOST_RESTARTS + 1
    assert set(queue.state.runs) == {other}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([actions.stop], "not restarted by the cluster: it had been asked to stop"),
        ([actions.pause], "not restarted by the cluster: it was paused. Resume it to train it further"),
        ([actions.pause, actions.proceed], "restarted by the cluster, 1 of at most 3 times: its node is gone"),
    ],
)
def test_what_a_person_asked_of_a_run_counts_when_its_node_dies(store, config, cluster, queue, asked, said):
    run = store.create(config()).id
    queue.round()
    token = claims.claim(store, run, "cpu", alone=False)
    for action in asked:
        action(store, run)
    claims.take_controls(store, run, token)
    with store.database.write() as connection:
        connection.execute(schema.runs.update().where(schema.runs.c.id == run).values(owner_pid=2**22 + 1))
    cluster.ends[run] = TaskEnd(LOST, "its node is gone")
    queue.round()
    assert lines(store, run)[-1] == said
    assert store.get(run).status == ("queued" if len(asked) == 2 else "interrupted")


def test_a_hung_run_that_was_given_up_is_ended_and_not_restarted(store, config, cluster, queue):
    run = store.create(config()).id
    queue.round()
    claims.claim(store, run, "cpu", alone=False)
    with store.database.write() as connection:
        given_up = schema.runs.update().where(schema.runs.c.id == run)
        connection.execute(given_up.values(status=RunStatus.INTERRUPTED.value, owner_token=""))
    queue.round()
    assert (cluster.cancelled, cluster.runs(), queue.state.runs) == ([run], [run], {})


def test_runs_that_are_stopped_or_deleted_while_they_wait_leave_the_cluster(store, config, cluster, queue):
    stopped, deleted = store.create(config()).id, store.create(config()).id
    queue.round()
    actions.stop(store, stopped)
    actions.delete_run(store, deleted)
    queue.round()
    assert sorted(cluster.cancelled) == sorted([stopped, deleted])
    assert queue.state.runs == {}


def test_a_queue_that_begins_anew_restarts_what_the_one_before_had_placed(store, config, cluster, queue):
    lost, waiting, elsewhere = (store.create(config()).id for _ in range(3))
    queue.round()
    lose(store, queue, cluster, lost)
    cluster.ends[elsewhere] = TaskEnd(NOT_TAKEN)
    claims.claim(store, elsewhere, "cpu", alone=False)  # by a worker of another machine
    again = Commanded(SMALL)
    successor = ClusterQueue(store, again, HEAD, AtOnce())
    successor.round()
    assert again.runs() == [lost, waiting]
    assert lines(store, lost)[-1] == "restarted by the cluster, 1 of at most 3 times: its node or process is gone"
    assert store.get(elsewhere).status == "running"
    queue.round()  # the queue before it, should it live on
    assert elsewhere not in queue.state.runs
    assert store.get(lost).status == "queued"


def test_a_finished_run_leaves_the_state(store, config, cluster, queue, engine):
    run = store.create(config()).id
    queue.round()
    assert node_work.train_here(run, "here") == TaskEnd(ENDED)
    assert "trains on node here of the cluster" in lines(store, run)
    assert node_work.train_here(run, "here") == TaskEnd(NOT_TAKEN)
    cluster.ends[run] = TaskEnd(ENDED)
    queue.round()
    assert store.get(run).status == "finished"
    assert read_state(store, HEAD).runs == {}


def test_a_node_with_another_store_is_named_and_the_run_waits(store, config, cluster, queue, monkeypatch, tmp_path):
    run = store.create(config()).id
    queue.round()
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "other"))
    cluster.ends[run] = end = node_work.train_here(run, "10.0.0.6")
    assert end.outcome == REFUSED
    queue.round()
    queue.round()
    assert cluster.runs() == [run]
    assert "node 10.0.0.6 works on another run store. Set MTL_HOME and MTL_STORE_URL there" in read_state(store, HEAD).problem
    assert store.get(run).status == "queued"
    monkeypatch.setattr(cluster_queue.time, "monotonic", lambda: 1e12)
    queue.round()
    assert cluster.runs() == [run, run]


def test_a_node_without_the_runs_imported_set_is_named_and_the_run_waits(store, cluster, queue, engine, tmp_path):
    days = import_as(store, pictures(tmp_path / "mine"))
    run = store.create(config_on("days")).id
    queue.round()
    hidden = days.folder.rename(tmp_path / "on another machine")
    cluster.ends[run] = end = node_work.train_here(run, "10.0.0.6")
    assert end.outcome == REFUSED
    queue.round()
    queue.round()
    problem = read_state(store, HEAD).problem
    assert f"run {run}: node 10.0.0.6 cannot train it: there is no imported data set 'days' in '{store.home}'. Let MTL_HOME be" in problem
    assert store.get(run).status == "queued"
    hidden.rename(days.folder)
    assert node_work.train_here(run, "10.0.0.6") == TaskEnd(ENDED)
    assert store.get(run).status == "finished"


def test_a_run_that_fits_no_node_is_named_and_holds_up_no_other(store, config, cluster, queue, monkeypatch):
    cluster.alive = [SMALL]
    gpu, cpu = store.create(config(device="cuda", devices=1)).id, store.create(config()).id
    queue.round()
    assert cluster.runs() == [cpu]
    monkeypatch.setenv("MTL_EXECUTOR", "ray")
    monkeypatch.setenv("MTL_RAY_ADDRESS", HEAD)
    monkeypatch.setattr(settings, "find_spec", lambda name: name)
    assert jobs.queue_problem(store) == f"run {gpu} needs 1 CPU, 1 GPU, 1.1 GB, and no node of the cluster has that much"
    cluster.alive = [SMALL, LARGE]
    queue.round()
    assert cluster.runs() == [cpu, gpu]
    assert jobs.queue_problem(store) == ""


@pytest.mark.parametrize(
    ("device", "devices", "threads", "nodes", "expected"),
    [
        ("cpu", 1, "", [SMALL], Needs(1, 0, PROGRAM)),
        ("cpu", 2, "4", [SMALL], Needs(8, 0, PROGRAM)),
        ("auto", 1, "", [SMALL], Needs(1, 0, PROGRAM)),
        ("auto", 1, "3", [SMALL, LARGE], Needs(3, 1, PROGRAM)),
        ("cuda", "all", "", [SMALL, LARGE], Needs(2, 2, PROGRAM)),
        ("cpu", "all", "", [LARGE], Needs(1, 0, PROGRAM)),
    ],
)
def test_what_a_run_needs(config, monkeypatch, device, devices, threads, nodes, expected):
    monkeypatch.setenv("MTL_THREADS", threads)
    assert needs_of(config(device=device, devices=devices, batch_size=32), nodes) == expected


def test_the_state_goes_through_the_store(store, config, cluster, queue, monkeypatch):
    run = store.create(config()).id
    queue.round()
    queue.came(run, SMALL.id)
    queue.round()
    state = read_state(store, HEAD)
    assert (state.nodes, state.runs_on(SMALL.id), state.runs[run].needs) == ([SMALL, LARGE], [run], Needs(1, 0, PROGRAM))
    assert not state.is_stale()
    state.at -= STALE_SECONDS + 2
    assert state.is_stale()
    assert read_state(store, "10.9.9.9:1").is_stale()
    store.set(f"cluster {HEAD}", '{"nodes": [{"of another version": 1}]}')
    assert read_state(store, HEAD).nodes == []
    write_state(store, state)
    assert read_state(store, HEAD).nodes == [SMALL, LARGE]
    assert store_identity(store) == store_identity(store)
    assert cluster_of(store) is None  # runs train here


def test_settings_of_a_cluster_are_checked(monkeypatch):
    monkeypatch.setenv("MTL_EXECUTOR", "ray")
    monkeypatch.setattr(settings, "find_spec", lambda name: None)
    said = [str(problem) for problem in settings.problems()]
    assert said == [
        "MTL_RAY_ADDRESS: MTL_EXECUTOR=ray needs the cluster's address; set it to the head's, such as 10.0.0.5:6379",
        "MTL_EXECUTOR: 'ray' needs the package Ray. Install the extra: pip install '.[cluster]', or choose thread or process",
    ]
    for wrong in ("10.0.0.5", "ray://10.0.0.5:10001", "host:99999", "a b:1"):
        monkeypatch.setenv("MTL_RAY_ADDRESS", wrong)
        with pytest.raises(ConfigError, match=r"expected the head's address and port, such as 10\.0\.0\.5:6379"):
            settings.ray_address()
