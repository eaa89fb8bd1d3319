"""A run is never shown as running when nobody trains it: with real processes, killed for real."""

import os
import signal
import sys
import time

import pytest
from sqlalchemy import select, update

from mtl_core.events import EpochMetrics
from mtl_core.runs.claims import claim, heartbeat, held_by_us
from mtl_core.runs.process_identity import process_lives, this_process
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store

HOLD = """
import sys
from mtl_core.config import RunConfig
from mtl_core.events import EpochMetrics, RunStarted
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.store import open_store
store = open_store()
config = {"data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "device": "cpu"}
run = store.create(RunConfig.from_dict(config), columns=held_by_us("cpu"))
store.append(run.id, RunStarted(10, {}))
store.append(run.id, EpochMetrics(5, 3, {"val/digit/loss": 1.0}))
print(run.id, flush=True)
sys.stdin.read()
"""

CLAIM = """
import sys
from mtl_core.runs.claims import claim
from mtl_core.runs.store import open_store
store = open_store()
print("ready", flush=True)
ids = sys.stdin.readline().split()
print(*[run_id for run_id in ids if claim(store, run_id, "cpu", alone=False)], flush=True)
sys.stdin.read()
"""


def stored(store, run_id):
    with store.database.read() as connection:
        return connection.execute(select(schema.runs).where(schema.runs.c.id == run_id)).one()


def change(store, run_id, **values):
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(**values))


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a POSIX signal")
def test_the_run_of_a_killed_process_is_interrupted_where_it_was(store, python):
    process = python(HOLD)
    run_id = process.stdout.readline().strip()
    assert store.get(run_id).status == "running"
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, but not yet waited for: it still has its process id
    run = store.get(run_id)
    assert (run.status, run.step, run.epoch, run.finished_at) == ("interrupted", 5, 3.0, run.heartbeat_at)
    assert store.active() == []
    assert stored(store, run_id).status == "interrupted"
    process.wait()
    assert store.runs()[0].status == "interrupted"
    assert [line.text for line in store.log(run_id)][-1] == "interrupted at epoch 3: the process that trained it is gone"
    assert len([line for line in store.log(run_id) if line.level == "error"]) == 1


def test_a_dead_runs_device_is_free(store, python, config):
    process = python(HOLD)
    process.stdout.readline()
    waiting = store.create(config())
    assert not claim(store, waiting.id, "cpu")
    process.kill()
    process.wait()
    assert claim(store, waiting.id, "cpu")


def test_claims_of_two_processes_are_exclusive(store, python, config):
    ids = [store.create(config()).id for _ in range(20)]
    processes = [python(CLAIM), python(CLAIM)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write(" ".join(ids) + "\n")
        process.stdin.flush()
    taken = [run_id for process in processes for run_id in process.stdout.readline().split()]
    assert sorted(taken) == sorted(ids)


def test_a_process_id_used_again_is_another_process(store, config):
    run = store.create(config(), columns=held_by_us("cpu"))
    change(store, run.id, owner_started=this_process().started - 3600)
    assert store.get(run.id).status == "interrupted"


@pytest.mark.parametrize(("host", "silence", "status"), [("elsewhere", 5, "running"), ("elsewhere", 16, "interrupted"), (None, 3600, "running")])
def test_silence_counts_sooner_where_the_process_cannot_be_seen(store, config, host, silence, status):
    run = store.create(config(), columns=held_by_us("cpu"))
    change(store, run.id, owner_host=host or this_process().host, heartbeat_at=time.time() - silence)
    assert store.get(run.id).status == status
    assert stored(store, run.id).status == status


def test_a_run_given_up_while_its_process_slept_is_running_again(store, config):
    run = store.create(config(), columns=held_by_us("cpu"))
    change(store, run.id, heartbeat_at=time.time() - 3600, owner_host="elsewhere")
    assert store.get(run.id).status == "interrupted"
    assert heartbeat(store, run.id, store.get(run.id).holder)
    change(store, run.id, owner_host=this_process().host)
    again = store.get(run.id)
    assert (again.status, again.finished_at) == ("running", None)


def test_an_end_written_meanwhile_is_not_overwritten(store, home, config):
    run = store.create(config(), columns=held_by_us("cpu"))
    change(store, run.id, heartbeat_at=time.time() - 3600, owner_host="elsewhere")
    seen = stored(store, run.id)
    open_store(home).end(run.id, RunStatus.FAILED, {"trace": ""})
    assert store._mark_interrupted(seen)[0] == "failed"
    assert stored(store, run.id).status == "failed"


def test_a_queued_run_whose_submitter_is_gone_stays_queued(store, python):
    code = HOLD.replace(', columns=held_by_us("cpu"))\nstore.append(run.id, RunStarted(10, {}))', ")").replace("store.append", "0 and store.append")
    process = python(code)
    run_id = process.stdout.readline().strip()
    process.kill()
    process.wait()
    assert store.get(run_id).status == "queued"
    assert claim(store, run_id, "cpu")


def test_a_heartbeat_of_someone_elses_run_changes_nothing(store, config):
    run = store.create(config(), columns=held_by_us("cpu"))
    token = store.get(run.id).holder
    change(store, run.id, owner_token="another")
    before = stored(store, run.id).heartbeat_at
    assert not heartbeat(store, run.id, token)
    assert stored(store, run.id).heartbeat_at == before


def test_writing_scalars_says_that_the_process_lives(store, config):
    run = store.create(config(), columns=held_by_us("cpu"))
    change(store, run.id, heartbeat_at=0.0)
    store.append(run.id, EpochMetrics(1, 1, {"val/a/loss": 1.0}))
    assert stored(store, run.id).heartbeat_at > 0.0


def test_this_process_lives():
    assert process_lives(this_process())
