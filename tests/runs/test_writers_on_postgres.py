"""Several processes that write into one PostgreSQL store at the same moment. Each store here has connections of its own, as on another machine."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, select, text
from victims import PATIENCE

from mtl_core.events import EpochMetrics
from mtl_core.runs import claims
from mtl_core.runs.alerts.run_alerts import ALERT
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.advisory_locks import SWEEPER, WRITERS
from mtl_core.runs.sql.event_writer import write_pending
from mtl_core.runs.sql.run_rows import lock_run
from mtl_core.runs.sql.scalar_points import key_numbers

pytestmark = pytest.mark.database


@pytest.fixture
def store(postgres_store):
    return postgres_store


@pytest.fixture
def watcher(server):
    """A connection that sees what the others wait for."""
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def wait_until_one_waits(watcher):
    """Until a transaction waits for a lock of another."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(50 * PATIENCE):
        if watcher.execute(waiting).scalar_one():
            return
        threading.Event().wait(0.02)
    raise AssertionError("nobody waits")


def row_of(store, run_id):
    with store.database.read() as connection:
        return connection.execute(schema.runs.select().where(schema.runs.c.id == run_id)).one()


def claimed(store, config):
    run = store.create(config())
    return run.id, claims.claim(store, run.id, "cpu", alone=False)


def metrics(value, epoch=1):
    return EpochMetrics(epoch, epoch, {"val/a/loss": value, f"val/a/{value}": value})


@contextmanager
def writing(store, run_id):
    """A transaction that has locked a run's row and is not over."""
    with store.database.write_beside() as connection:
        lock_run(connection, run_id)
        yield connection


def test_runs_are_written_while_the_transaction_of_another_run_is_open(store, another, config):
    (first, _), (second, token) = claimed(store, config), claimed(store, config)
    other = another()
    with writing(store, first):
        other.append(second, metrics(0.5), token)
        assert claims.heartbeat(other, second, token)
        assert claims.take_controls(other, second, token) == []
        assert list(other.scalars(second)["value"]) == [0.5, 0.5]


def test_what_writes_more_than_one_run_waits_for_every_writer_and_they_for_it(store, another, config, watcher):
    run, _ = claimed(store, config)
    free = text(f"SELECT pg_try_advisory_lock({WRITERS})")
    other = another()
    with ThreadPoolExecutor(1) as pool:
        with writing(store, run):
            noted = pool.submit(other.note, run, ALERT, "low disk")
            wait_until_one_waits(watcher)
            assert not watcher.execute(free).scalar_one()
            assert store.alerts() == []
            before = watcher.execute(text("SELECT last_value FROM log_number_seq")).scalar_one()
            waiting = not noted.done()
        noted.result(PATIENCE)
    assert waiting
    assert [alert.number > before for alert in store.alerts()] == [True]  # the line comes after all that was begun before it
    assert watcher.execute(free).scalar_one()
    watcher.execute(text(f"SELECT pg_advisory_unlock({WRITERS})"))


def test_new_keys_of_two_runs_get_one_number_each(store, another, config, watcher):
    other, names = another(), ["val/b/loss", "val/a/loss"]
    with ThreadPoolExecutor(1) as pool:
        with store.database.write_beside() as connection:
            first = key_numbers(connection, names)

            def same_keys():
                with other.database.write_beside() as connection:
                    return key_numbers(connection, names[::-1])

            second = pool.submit(same_keys)
            wait_until_one_waits(watcher)
        assert second.result(PATIENCE) == first
    with store.database.read() as connection:
        assert connection.execute(select(schema.scalar_keys.c.key).order_by("key")).scalars().all() == sorted(names)


def test_new_sets_of_keys_of_two_runs_are_one_set(store, another, config, watcher):
    (first, ours), (second, theirs) = claimed(store, config), claimed(store, config)
    other = another()
    with ThreadPoolExecutor(1) as pool:
        with store.database.write_beside() as connection:
            store._pending_of(first, ours).take(metrics(0.5))
            write_pending(connection, first, store._pending_of(first, ours))
            appended = pool.submit(other.append, second, metrics(0.5), theirs)
            wait_until_one_waits(watcher)
        appended.result(PATIENCE)
    assert list(other.scalars(second)["value"]) == list(store.scalars(first)["value"]) == [0.5, 0.5]
    with store.database.read() as connection:
        assert len(connection.execute(select(schema.key_sets)).all()) == 1


def test_a_run_that_another_process_claims_at_this_moment_is_skipped(store, another, config):
    first, second = store.create(config()).id, store.create(config()).id
    other = another()
    with writing(store, first):
        assert [claims.claim(other, run, "cpu") != "" for run in (first, second)] == [False, True]


def test_two_that_see_a_free_device_at_the_same_moment_do_not_both_get_it(store, another, config, watcher, monkeypatch):
    """The second waits at the index until the first has it."""
    monkeypatch.setattr(claims, "_is_busy", lambda connection, device, host: False)
    first, second = store.create(config()).id, store.create(config()).id
    other, went = another(), threading.Event()
    original = claims.forget_requests

    def wait(connection, run_id):
        original(connection, run_id)
        if run_id == first:
            went.set()
            wait_until_one_waits(watcher)

    monkeypatch.setattr(claims, "forget_requests", wait)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(claims.claim, store, first, "cpu")
        assert went.wait(PATIENCE)
        assert claims.claim(other, second, "cpu") == ""
        assert taken.result(PATIENCE)
    assert [row_of(store, run).status for run in (first, second)] == ["running", "queued"]
    assert claims.claim(store, second, "cuda")


def test_a_successor_waits_for_the_write_of_the_one_before_and_no_row_is_numbered_twice(store, another, config):
    run, token = claimed(store, config)
    other = another()
    store.append(run, metrics(0.5), token)
    with store.database.write() as connection:
        connection.execute(schema.runs.update().values(status="queued", owner_token=None))
    successor = claims.claim(other, run, "cpu")
    other.append(run, metrics(0.25, 2), successor)
    seen = other.scalars(run, after=1)
    assert list(seen["row"].unique()) == [2]
    with pytest.raises(Exception, match="no longer held here"):
        store.append(run, metrics(9.0, 3), token)


def silence(store, run_id):
    with store.database.write() as connection:
        gone = {"owner_host": "elsewhere", "heartbeat_at": 0.0, "lease_seconds": -1e9}  # however lately the server was started
        connection.execute(schema.runs.update().where(schema.runs.c.id == run_id).values(**gone))


def test_while_one_process_sweeps_no_other_does_and_all_show_what_is_true(store, another, config, watcher):
    run, _ = claimed(store, config)
    silence(store, run)
    watcher.execute(text(f"SELECT pg_advisory_lock({SWEEPER})"))
    for each in (store, another()):
        assert each.get(run).status == "interrupted"
        assert row_of(each, run).status == "running"
    watcher.execute(text(f"SELECT pg_advisory_unlock({SWEEPER})"))
    assert store.runs()[0].status == "interrupted"
    assert row_of(store, run).status == "interrupted"
    assert len([line for line in store.log(run) if line.level == "error"]) == 1


def test_a_run_that_its_holder_writes_at_this_moment_is_not_swept(store, another, config):
    run, _ = claimed(store, config)
    silence(store, run)
    other = another()
    with writing(store, run):
        other.sweep()
        assert row_of(other, run).status == "running"
    other.sweep()
    assert row_of(other, run).status == "interrupted"
