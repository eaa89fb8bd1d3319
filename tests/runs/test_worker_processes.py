"""What the queue makes of the end of a worker process."""

import itertools
import signal
import threading

import pytest

from mtl_core.runs import actions, jobs
from mtl_core.runs.claims import held_by_us


def test_a_worker_process_whose_run_was_deleted_is_an_expected_end(store, config, caplog):
    class Ended:
        pid = 0

        def wait(self):
            return 0

    run = store.create(config())
    actions.stop(store, run.id)
    actions.delete_run(store, run.id)
    jobs._await_process(store, {"run": run.id, "process": Ended(), "taken": True, "unwanted": False}, threading.Event())
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [(f"run {run.id} was deleted as its worker process ended", None)]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((jobs.NOT_TAKEN, "queued"), (jobs.REFUSED, "queued"), (-signal.SIGTERM, "queued"), (0, "queued")),
        *((1, "failed"), (-signal.SIGKILL, "failed")),
    ],
)
def test_a_worker_process_that_did_not_take_its_run_leaves_it_waiting_unless_it_broke(store, config, code, status):
    class Ended:
        pid = 0

        def wait(self):
            return code

    run = store.create(config())
    jobs._await_process(store, {"run": run.id, "process": Ended(), "taken": False, "unwanted": False}, threading.Event())
    assert store.get(run.id).status == status


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (3, 4, "The system ran out of memory and ended a process. Resume the run with more memory free, or clone it with a lower batch_size."),
        (3, 3, "The system counted no process that it ended for lack of memory, so the process may have been ended by hand."),
        (None, None, "The system may have run out of memory; this machine does not count such kills."),
        (3, None, "The system may have run out of memory; this machine does not count such kills."),
    ],
)
def test_a_worker_that_was_killed_says_what_is_known_of_it(store, config, monkeypatch, before, after, said):
    class Killed:
        pid = 0

        def wait(self):
            return -signal.SIGKILL

    monkeypatch.setattr(jobs.free_memory, "kills", lambda: after)
    run = store.create(config(), columns=held_by_us("cpu") | {"owner_started": 0.0})  # by a process that is gone
    jobs._await_process(store, {"run": run.id, "process": Killed(), "taken": True, "unwanted": False, "kills": before}, threading.Event())
    assert store.get(run.id).status == "interrupted"
    lines = [line.text for line in store.log(run.id)]
    assert lines[-2:] == [
        "interrupted at epoch 0: the process that trained it is gone",
        f"its worker process was ended by signal 9. {said}",
    ]


def test_a_worker_process_is_started_for_a_gpu_that_no_other_one_is_about_to_take(store, config, monkeypatch):
    started = itertools.count()

    class Started:
        def __init__(self, *_, **__):
            self.pid = next(started)

    workers = {}
    monkeypatch.setattr(jobs, "process_slot", lambda name: workers)
    monkeypatch.setattr(jobs, "_await_process", lambda *_: None)
    monkeypatch.setattr(jobs, "stop_at_exit", lambda: None)
    monkeypatch.setattr(jobs, "is_closing", lambda: False)
    monkeypatch.setattr(jobs.subprocess, "Popen", Started)
    store.create(config(), columns=held_by_us("cuda:1"))  # trains
    runs = [store.create(config(str(number), device="auto")) for number in range(3)]
    for run in [*runs, *runs]:
        jobs._start_process(store, run, ["cuda", "cuda:1", "cuda:2"], threading.Event())
    assert [(worker["run"], worker["devices"]) for worker in workers.values()] == [(runs[0].id, {"cuda"}), (runs[1].id, {"cuda:2"})]


@pytest.mark.parametrize(("chosen", "variable", "expected"), [("", "", None), ("2", "", "2"), ("64", "", "4"), ("2", "3", "3")])
def test_a_worker_process_has_the_threads_that_the_store_says(store, config, monkeypatch, chosen, variable, expected):
    surroundings = []

    class Started:
        pid = 0

    def start(command, env, **_):
        surroundings.append(env.get("MTL_THREADS"))
        return Started()

    monkeypatch.delenv("MTL_THREADS", raising=False)
    if variable:
        monkeypatch.setenv("MTL_THREADS", variable)
    monkeypatch.setattr(jobs, "cores", lambda: 4)
    monkeypatch.setattr(jobs, "_await_process", lambda *_: None)
    monkeypatch.setattr(jobs, "stop_at_exit", lambda: None)
    monkeypatch.setattr(jobs, "is_closing", lambda: False)
    monkeypatch.setattr(jobs.subprocess, "Popen", start)
    if chosen:
        store.set("threads", chosen)
    jobs._start_process(store, store.create(config()), ["cpu"], threading.Event())
    jobs.process_slot("worker processes").pop(0)
    assert surroundings == [expected]
