"""How long a holder that cannot be seen may be silent, and who marks its run when it is gone. By a clock that the tests set."""

import time

import pytest
from sqlalchemy import update

from mtl_core.events import StepScalars
from mtl_core.runs import jobs
from mtl_core.runs.claims import claim, heartbeat
from mtl_core.runs.process_identity import this_process
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.sql import clock, event_writer, schema, sweeper
from mtl_core.runs.sql.leases import LEAST, MOST, renewed
from mtl_core.runs.sql.sweeper import SWEEP_SECONDS


@pytest.fixture
def moment(monkeypatch):
    """The clock of the machine; ``moment.now`` is moved by the test."""

    class Moment:
        now = time.time()

    monkeypatch.setattr(time, "time", lambda: Moment.now)
    return Moment


def row_of(store, run_id):
    with store.database.read() as connection:
        return connection.execute(schema.runs.select().where(schema.runs.c.id == run_id)).one()


def move(store, run_id, **values):
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(**values))


@pytest.fixture
def held(store, config, moment):
    """A run that a process of another machine has just claimed; its token."""
    run = store.create(config())
    token = claim(store, run.id, "cpu")
    move(store, run.id, owner_host="elsewhere")
    return run.id, token


@pytest.mark.parametrize(
    ("lease", "silence", "after"),
    [(15, 2, 15), (15, 3.75, 15), (15, 10, 40), (15, 1000, 300), (300, 600, 300), (120, 0, 120), (240, 20, 240 * 0.5 ** (1 / 30)), (16, 600, 300)],
)
def test_a_lease_is_four_times_the_silence_that_was_survived_and_halves_in_ten_minutes(lease, silence, after):
    assert renewed(lease, silence) == pytest.approx(after, rel=1e-12)


def test_a_lease_that_is_not_needed_becomes_shorter_down_to_the_least():
    lease, seconds = MOST, 0
    while lease > LEAST:
        lease, seconds = renewed(lease, 2.0), seconds + 2
    assert seconds == 2594  # 600 s * log2(300 / 15), in steps of 2 s
    assert lease == LEAST


def test_late_heartbeats_lengthen_the_lease_before_it_is_over(store, held, moment):
    run, token = held
    for silence in (12, 40, 150):  # each would have been too long for the lease before it, and the last for the least by far
        moment.now += silence
        assert store.get(run).status == "running"
        assert heartbeat(store, run, token)
    assert row_of(store, run).lease_seconds == MOST
    moment.now += MOST + 1
    assert store.get(run).status == "interrupted"


def test_scalars_that_come_late_lengthen_the_lease_too(store, held, moment, monkeypatch):
    run, token = held
    monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 0.0)
    moment.now += 14
    store.append(run, StepScalars(1, 0.1, {"train/a/loss": 1.0}), token)
    assert row_of(store, run).lease_seconds == 56
    assert row_of(store, run).heartbeat_at == moment.now


def test_a_run_that_was_taken_over_for_silence_is_next_taken_over_after_twice_the_time(store, held, moment):
    run, _ = held
    for lease in (15, 30, 60, 120, 240, 300, 300):
        move(store, run, owner_host="elsewhere")
        assert row_of(store, run).lease_seconds == lease
        moment.now += lease
        assert store.get(run).status == "running"
        moment.now += 0.5
        assert store.get(run).status == "interrupted"
        resume(store, run)
        assert claim(store, run, "cpu")


def test_a_process_that_the_system_says_is_gone_does_not_lengthen_the_lease(store, config, moment):
    run = store.create(config())
    claim(store, run.id, "cpu")
    move(store, run.id, owner_pid=2**22 + 1)
    assert store.get(run.id).status == "interrupted"
    assert row_of(store, run.id).lease_seconds == LEAST


def test_a_live_process_of_this_machine_is_never_taken_over_for_silence(store, config, moment):
    run = store.create(config())
    token = claim(store, run.id, "cpu")
    moment.now += 10 * MOST
    store.sweep()
    assert store.get(run.id).status == "running"
    assert store.get(run.id).is_hung  # a person decides
    assert heartbeat(store, run.id, token)


def test_the_next_run_of_a_machine_begins_with_the_lease_that_its_runs_needed(store, config, moment):
    here = this_process().host
    needed, elsewhere, long_ago = (store.create(config()).id for _ in range(3))
    for run, host, lease, ended in ((needed, here, 90, 0), (elsewhere, "elsewhere", 200, 0), (long_ago, here, 250, 3600)):
        move(store, run, status="finished", owner_host=host, lease_seconds=lease, finished_at=moment.now - ended)
    run = store.create(config())
    assert claim(store, run.id, "cpu")
    assert row_of(store, run.id).lease_seconds == 90


def test_silence_while_the_database_server_was_away_does_not_count(store, held, moment, monkeypatch):
    run, _ = held
    moment.now += 100
    monkeypatch.setitem(process_slot("store clock"), "answering_since", moment.now - 10)
    store.sweep()
    assert store.get(run).status == "running"
    moment.now += 6
    assert store.get(run).status == "interrupted"


def test_a_holder_that_was_silent_for_too_long_finds_its_run_again_or_learns_that_it_is_lost(store, held, moment):
    run, token = held
    moment.now += 20
    assert store.get(run).status == "interrupted"
    assert heartbeat(store, run, token)  # nobody has taken it meanwhile
    assert (store.get(run).status, row_of(store, run).slot, row_of(store, run).lease_seconds) == ("running", None, 80)
    moment.now += 81
    assert store.get(run).status == "interrupted"
    resume(store, run)
    assert not heartbeat(store, run, token)
    assert claim(store, run, "cpu")
    assert not heartbeat(store, run, token)
    assert store.get(run).holder != token


# -- the sweeper


def test_one_sweep_marks_all_runs_whose_processes_are_gone_each_with_a_line(store, config, moment):
    runs = [store.create(config()).id for _ in range(4)]
    for run in runs:
        claim(store, run, "cpu", alone=False)
    silent, dead, alive, queued = *runs[:3], store.create(config()).id
    move(store, silent, owner_host="elsewhere", heartbeat_at=moment.now - 16, epoch=2.5)
    move(store, dead, owner_pid=2**22 + 1)
    move(store, alive, owner_host="elsewhere", heartbeat_at=moment.now - 14)
    store.sweep()
    assert [row_of(store, run).status for run in (*runs, queued)] == ["interrupted", "interrupted", "running", "running", "queued"]
    assert row_of(store, silent).finished_at == moment.now - 16
    for run, epoch in ((silent, "2.5"), (dead, "0")):
        line = f"interrupted at epoch {epoch}: the process that trained it is gone"
        assert [each.text for each in store.log(run) if each.level == "error"] == [line]
        assert (store.folder(run) / "log.txt").read_text(encoding="utf-8").count(line) == 1
    store.sweep()
    assert len([each for each in store.log(silent) if each.level == "error"]) == 1


def test_however_many_look_one_sweeps_every_few_seconds(store, held, moment, monkeypatch):
    swept = []
    original = sweeper.sweep
    monkeypatch.setattr(sweeper, "sweep", lambda *arguments: swept.append(moment.now) or original(*arguments))
    for _ in range(4):
        store.sweep_if_due()
    moment.now += SWEEP_SECONDS
    for _ in range(4):
        store.sweep_if_due()
    moment.now -= 3600  # the clock is set back
    for _ in range(4):
        store.sweep_if_due()
    assert len(swept) == 3


def test_a_store_in_which_no_run_is_active_is_not_written(store, config):
    store.create(config())
    before = store.settings()
    store.sweep_if_due()
    assert store.settings() == before


def test_who_works_on_the_queue_sweeps(store, held, moment, monkeypatch):
    run, _ = held
    moment.now += 16
    looks = iter([False, False])
    monkeypatch.setattr(jobs, "is_closing", lambda: next(looks, True))

    class Woken:
        def wait(self, seconds):
            return True

        def clear(self):
            pass

    jobs._work(store, Woken())
    assert row_of(store, run).status == "interrupted"


def test_the_servers_start_is_measured_again_on_a_new_connection():
    asked = []

    class Server:
        def execute(self, statement):
            asked.append(str(statement))
            return self

        def one(self):
            return time.time() + 50, 7.0 if len(asked) == 1 else 8.0

    clock.forget()
    try:
        for _ in range(2):
            clock.measure(Server())
        assert (len(asked), clock.unheard_of(3.0, 10.0)) == (1, 3.0)
        clock.expire()
        for _ in range(2):
            clock.measure(Server())
        assert (len(asked), clock.unheard_of(3.0, 10.0), clock.unheard_of(9.5, 10.0)) == (2, 2.0, 0.5)
        assert clock.store_time() == pytest.approx(time.time() + 50, abs=1)
    finally:
        clock.forget()
