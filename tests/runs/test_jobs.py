"""The queue and the thread that works on it, with an engine that needs no torch."""

import sys
import threading

import pytest

from mtl_core.errors import StoreError
from mtl_core.events import RunEnded, RunStarted
from mtl_core.runs import actions, jobs
from mtl_core.runs.claims import claim, held_by_us
from mtl_core.runs.executor import SWITCH_INTERVAL
from mtl_core.runs.process_singletons import process_slot

WAIT = 30  # seconds; an event that has not come by then never will


def join(run_id):
    """Wait until the thread that trains a run has ended."""
    for thread in threading.enumerate():
        if thread.name == f"train-{run_id}":
            thread.join(WAIT)
            assert not thread.is_alive()


NAMES = ("one", "two", "three", "four", "five", "both", "behind", "other", "last")


class Gate:
    """A trainer that starts when looked at and goes on when let."""

    def __init__(self):
        self.began, self.let = ({name: threading.Event() for name in NAMES} for _ in range(2))
        self.seen, self.devices = {}, {}

    def train(self, config, folder, cache, control):
        self.seen[config.name], self.devices[config.name] = self.look(), control.device
        self.began[config.name].set()
        yield RunStarted(1, {})
        assert self.let[config.name].wait(WAIT)
        yield RunEnded("finished", 1, 1.0, 1.0, 1.0)


@pytest.fixture
def gate(engine):
    gate = Gate()
    sys.modules["mtl_core.training.trainer"].train = gate.train
    return gate


def test_the_second_run_starts_when_the_first_has_ended(store, config, gate):
    gate.look = lambda: [(run.name, run.status.value) for run in store.runs()[::-1]]
    first, second = jobs.submit(store, config("one")), jobs.submit(store, config("two"))
    assert gate.began["one"].wait(WAIT)
    assert [run.queue_position for run in (store.get(first.id), store.get(second.id))] == [None, 1]
    gate.let["one"].set()
    assert gate.began["two"].wait(WAIT)
    assert gate.seen["two"] == [("one", "finished"), ("two", "running")]
    gate.let["two"].set()
    join(second.id)
    assert store.get(second.id).status == "finished"


def test_two_devices_train_two_runs_side_by_side(store, config, gate):
    gate.look = lambda: None
    runs = [jobs.submit(store, config("one", device="cpu")), jobs.submit(store, config("two", device="cuda"))]
    assert all(gate.began[name].wait(WAIT) for name in ("one", "two"))  # neither was let go on
    assert {(run.name, run.device) for run in store.active()} == {("one", "cpu"), ("two", "cuda")}
    for run in runs:
        gate.let[run.name].set()
        join(run.id)
    assert [store.get(run.id).status for run in runs] == ["finished", "finished"]


def test_each_gpu_has_a_queue_of_its_own(store, config, gate):
    """'cuda' and 'cuda:0' are one device. The third run waits for the second alone, the fourth for the first, the fifth for none."""
    gate.look = lambda: {run.name: run.status.value for run in store.runs()}
    devices = {"one": "cuda:0", "two": "cuda:1", "three": "cuda:1", "four": "cuda", "five": "cpu"}
    runs = {name: jobs.submit(store, config(name, device=device)).id for name, device in devices.items()}
    assert all(gate.began[name].wait(WAIT) for name in ("one", "two", "five"))  # none was let go on
    assert {(run.name, run.device) for run in store.active()} == {("one", "cuda"), ("two", "cuda:1"), ("five", "cpu")}
    assert [run.name for run in store.queued()] == ["three", "four"]
    gate.let["two"].set()
    assert gate.began["three"].wait(WAIT)
    assert gate.seen["three"] == {"one": "running", "two": "finished", "three": "running", "four": "queued", "five": "running"}
    gate.let["one"].set()
    assert gate.began["four"].wait(WAIT)
    for name in ("three", "four", "five"):
        gate.let[name].set()
    for run_id in runs.values():
        join(run_id)
    assert {store.get(run_id).status for run_id in runs.values()} == {"finished"}


def test_a_run_on_two_gpus_waits_for_both_and_is_not_overtaken(store, config, gate):
    gate.look = lambda: {run.name: run.status.value for run in store.runs()}
    first = jobs.submit(store, config("one", device="cuda:1"))
    assert gate.began["one"].wait(WAIT)
    runs = [first, jobs.submit(store, config("both", device="cuda", devices=2)), jobs.submit(store, config("behind", device="cuda"))]
    other = jobs.submit(store, config("other", device="cpu"))  # as this one begins, the queue has looked at all of them
    assert gate.began["other"].wait(WAIT)
    assert gate.seen["other"] == {"one": "running", "both": "queued", "behind": "queued", "other": "running"}
    gate.let["one"].set()
    assert gate.began["both"].wait(WAIT)
    last, five = jobs.submit(store, config("last", device="cuda:1")), jobs.submit(store, config("five", device="mps"))
    assert gate.began["five"].wait(WAIT)
    assert (gate.seen["five"]["both"], gate.seen["five"]["last"]) == ("running", "queued")
    gate.let["both"].set()
    assert gate.began["behind"].wait(WAIT)
    assert gate.seen["behind"]["both"] == "finished"
    assert gate.began["last"].wait(WAIT)
    assert gate.seen["last"]["both"] == "finished"
    for name in ("behind", "other", "last", "five"):
        gate.let[name].set()
    for run in (*runs, other, last, five):
        join(run.id)


def test_auto_waits_for_the_device_that_it_stands_for(store, config, gate, monkeypatch):
    monkeypatch.setattr(jobs, "devices_for", lambda config: ["cpu"])
    gate.look = lambda: [run.status.value for run in store.runs()[::-1]]
    jobs.submit(store, config("one", device="cpu"))
    assert gate.began["one"].wait(WAIT)
    second = jobs.submit(store, config("two", device="auto"))
    gate.let["one"].set()
    gate.let["two"].set()
    assert gate.began["two"].wait(WAIT)
    assert gate.seen["two"] == ["finished", "running"]
    join(second.id)
    assert store.get(second.id).device == "cpu"


def test_auto_takes_the_first_free_gpu(store, config, gate, monkeypatch):
    """Of two simulated ones. A run behind a run that waits for any GPU is not held up by it."""
    monkeypatch.setattr(jobs, "devices_for", lambda config: ["cuda", "cuda:1"] if config.device == "auto" else [config.device])
    gate.look = lambda: {run.name: run.status.value for run in store.runs()}
    ids = {}
    for name, device in (("one", "auto"), ("two", "cuda"), ("three", "auto"), ("four", "auto"), ("five", "mps")):
        ids[name] = store.create(config(name, device=device)).id
    jobs.start_worker(store)
    for name in ("one", "three", "five"):
        assert gate.began[name].wait(WAIT)
    assert [store.get(ids[name]).device for name in ("one", "three", "five")] == ["cuda", "cuda:1", "mps"]
    assert [gate.devices[name] for name in ("one", "three", "five")] == ["cuda", "cuda:1", ""]  # what the trainer is told
    assert [store.get(ids[name]).status for name in ("two", "four")] == ["queued", "queued"]
    gate.let["one"].set()
    assert gate.began["two"].wait(WAIT)  # it asked for the first GPU before 'four' did
    gate.let["three"].set()
    assert gate.began["four"].wait(WAIT)
    assert (store.get(ids["four"]).device, gate.devices["four"]) == ("cuda:1", "cuda:1")
    for name in ("two", "four", "five"):
        gate.let[name].set()
    for run_id in ids.values():
        join(run_id)


def test_a_failure_does_not_hold_up_the_queue(store, config, engine):
    reached = threading.Event()
    original = sys.modules["mtl_core.training.trainer"].train

    def train(config, *others):
        yield from original(config, *others)
        if config.name == "fine":
            reached.set()

    sys.modules["mtl_core.training.trainer"].train = train
    bad, good = jobs.submit(store, config("fault")), jobs.submit(store, config("fine"))
    assert reached.wait(WAIT)
    join(good.id)
    assert [store.get(run.id).status for run in (bad, good)] == ["failed", "finished"]


def test_submit_does_not_double_the_worker(store, config, engine):
    before = len([thread for thread in threading.enumerate() if thread.name == "mtl-queue"])
    ids = [jobs.submit(store, config()).id for _ in range(3)]
    assert len([thread for thread in threading.enumerate() if thread.name == "mtl-queue"]) == before + 1
    for run_id in ids:
        actions.stop(store, run_id)
    for run_id in ids:
        join(run_id)


@pytest.fixture
def nobody_trains():
    """The threads of earlier tests have ended: while one trains, the interpreter switches as often as a run wants it."""
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("train-")]
    for thread in threads:
        thread.join(WAIT)
    assert not process_slot("training").get("runs"), [thread.name for thread in threads if thread.is_alive()]


def test_the_interpreter_switches_faster_while_a_run_trains(store, config, engine, nobody_trains):
    before = sys.getswitchinterval()
    seen = []
    jobs.execute(store, store.create(config()).id, on_event=lambda event: seen.append(sys.getswitchinterval()))
    assert seen == pytest.approx([SWITCH_INTERVAL] * len(seen))
    assert SWITCH_INTERVAL < before == sys.getswitchinterval()


def test_two_threads_do_not_train_the_same_run(store, config, gate):
    gate.look = lambda: None
    run = store.create(config("one"))
    token = claim(store, run.id, "cpu")
    thread = threading.Thread(target=jobs.execute, args=(store, run.id), kwargs={"token": token}, daemon=True)
    thread.start()
    assert gate.began["one"].wait(WAIT)
    assert jobs.execute(store, run.id, token=token).status == "running"
    gate.let["one"].set()
    thread.join(WAIT)
    assert store.get(run.id).status == "finished"


def turn(store):
    """One round of the queue's worker, in this thread."""
    jobs._work(store, OneRound())


class OneRound(threading.Event):
    """Lets the worker look once, then has it find that the program is closing."""

    def wait(self, timeout=None):
        jobs.process_slot("training")["closing"] = self.is_set()
        return super().wait(0)

    def clear(self):
        self.set()


@pytest.fixture
def closing():
    """Is not, afterwards."""
    yield
    jobs.process_slot("training").pop("closing", None)
    jobs.process_slot("queue problems").clear()


@pytest.mark.parametrize("mistake", ["MTL_EXECUTOR=proces", "MTL_EXECUTR=process", "the store's", "the store is away"])
def test_a_mistake_of_the_machine_leaves_the_queue_waiting(store, config, engine, monkeypatch, caplog, closing, mistake):
    runs = [store.create(config(f"run {number}")) for number in range(3)]
    said = mistake.partition("=")[0]
    with monkeypatch.context() as patch:
        if "=" in mistake:
            patch.setenv(*mistake.split("="))
        elif mistake == "the store's":
            store.set("executor", said := "carrier pigeon")
        else:

            def away():
                raise StoreError(said)

            patch.setattr(store, "settings", away)
        for _ in range(2):
            turn(store)
        assert said in jobs.queue_problem(store)
        assert [store.get(run.id).status for run in runs] == ["queued"] * 3
        assert [len(store.log(run.id)) for run in runs] == [1] * 3
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
    store.set("executor", "thread")
    jobs.process_slot("training").pop("closing")
    for run in runs:
        turn(store)
        jobs.process_slot("training").pop("closing")
        join(run.id)
    assert [store.get(run.id).status for run in runs] == ["finished"] * 3
    assert jobs.queue_problem(store) == ""


@pytest.mark.parametrize(("host", "busy"), [("another.host", False), (None, True)])
@pytest.mark.parametrize("executor", jobs.EXECUTORS)
def test_a_device_of_another_host_is_another_device(store, config, engine, monkeypatch, closing, executor, host, busy):
    """Two hosts on one store, whatever the executor: each has its own 'cpu'."""
    there = held_by_us("cpu") | ({"owner_host": host} if host else {})
    store.create(config("waits"), columns=there)
    mine = store.create(config())
    started = []
    monkeypatch.setenv("MTL_EXECUTOR", executor)
    monkeypatch.setattr(jobs.subprocess, "Popen", lambda command, **_: started.append(command[-1]) or OtherProcess())
    monkeypatch.setattr(jobs, "_await_process", lambda *_: None)
    turn(store)
    jobs.process_slot("worker processes").clear()
    join(mine.id)
    begun = bool(started) or store.get(mine.id).status == "finished"
    assert begun is not busy


class OtherProcess:
    pid = 0


def test_a_run_that_is_deleted_as_its_thread_ends_is_an_expected_end(store, config, engine, monkeypatch, caplog):
    run = store.create(config())
    token = claim(store, run.id, "cpu")
    escaped = []
    monkeypatch.setattr(threading, "excepthook", escaped.append)

    def delete_at_its_end(*arguments, **named):
        execute(*arguments, **named)
        actions.delete_run(store, run.id)
        return store.get(run.id)  # as the real one ends

    execute = jobs.execute
    monkeypatch.setattr(jobs, "execute", delete_at_its_end)
    thread = threading.Thread(target=jobs._train_then_wake, args=(store, run.id, token, threading.Event()))
    thread.start()
    thread.join(WAIT)
    assert (escaped, store.find(run.id)) == ([], None)
    assert [record.getMessage() for record in caplog.records] == [f"run {run.id} was deleted as it ended"]
    assert caplog.records[0].exc_info is None
