"""The store's contract on a real PostgreSQL, which these tests start; skipped where it is not installed."""

import os
import random
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from evidence import brief
from object_stores import Machine, checkpoint
from postgres_server import forget, program
from sqlalchemy import TEXT, Text, create_engine, inspect, text
from victims import PATIENCE, ended

from mtl_core import settings
from mtl_core.errors import RunTakenError, StoreError
from mtl_core.runs.claims import claim, heartbeat
from mtl_core.runs.executor import execute
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.sql import clock, schema
from mtl_core.runs.sql.postgres_database import open_postgres
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore
from mtl_core.studies import study_actions as studies
from mtl_core.training.checkpoint_files import check_files
from tests.runs.test_store import StoreContract

pytestmark = pytest.mark.database
SECRET = "s3cret-word"


@pytest.fixture
def store(postgres_store):
    return postgres_store


class TestPostgresStore(StoreContract):
    """The contract, on PostgreSQL."""

    @pytest.fixture(autouse=True)
    def _url(self, server):
        self.url = server.url

    def opened_again(self, store):
        forget(self.url)
        return RunStore(store.home, open_postgres(self.url, store.home))


def test_of_many_that_claim_at_once_one_gets_the_device(store, config, another):
    runs = [store.create(config()) for _ in range(6)]
    stores = [store, *(another() for _ in runs[1:])]
    together = threading.Barrier(len(runs))

    def take(place):
        together.wait()
        return claim(stores[place], runs[place].id, "cpu")

    with ThreadPoolExecutor(len(runs)) as pool:
        tokens = list(pool.map(take, range(len(runs))))
    assert sum(map(bool, tokens)) == 1


def test_two_machines_with_an_object_store_see_each_others_checkpoints(store, tmp_path, config):
    """Without a shared folder. The pointers are rows of PostgreSQL."""
    here, there = (Machine(tmp_path / name, store.database, f"memory://{tmp_path.name}/postgres") for name in ("here", "there"))
    run_id = here.create(config()).id
    token = claim(here, run_id, "cpu")
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    checkpoint(here.folder(run_id), 2)
    here.artifacts.keep(run_id, token)
    there.artifacts.bring(run_id, lambda path: True)
    assert there.files(run_id) == here.files(run_id)
    here.end(run_id, RunStatus.INTERRUPTED, token=token)
    resume(there, run_id)
    assert claim(there, run_id, "cpu")
    checkpoint(here.folder(run_id), 3)
    with pytest.raises(RunTakenError):
        here.artifacts.keep(run_id, token)
    check_files(there.place(run_id), name)


def row_of(store, run_id):
    with store.database.read() as connection:
        return connection.execute(schema.runs.select().where(schema.runs.c.id == run_id)).one()


def move(store, run_id, **values):
    with store.database.write() as connection:
        connection.execute(schema.runs.update().where(schema.runs.c.id == run_id).values(**values))


@pytest.mark.parametrize("wrong", [-3600.0, 3600.0])
def test_a_machine_with_a_wrong_clock_writes_and_judges_by_the_servers(store, config, monkeypatch, wrong):
    run, right = store.create(config()), time.time
    token = claim(store, run.id, "cpu")
    monkeypatch.setattr(time, "time", lambda: right() + wrong)
    assert heartbeat(store, run.id, token)
    assert row_of(store, run.id).heartbeat_at == pytest.approx(right(), abs=60)
    assert row_of(store, run.id).progress_at == pytest.approx(right(), abs=60)
    move(store, run.id, owner_host="another-machine")
    assert store.get(run.id).status == "running"
    assert store.get(run.id).silent_seconds < 60
    other = store.create(config())
    assert claim(store, other.id, "cpu", alone=False)
    assert row_of(store, other.id).started_at == pytest.approx(right(), abs=60)


@pytest.fixture
def long_up(store, monkeypatch):
    """The server has answered for an hour."""
    monkeypatch.setattr(clock, "measure", lambda connection: None)
    monkeypatch.setitem(process_slot("store clock"), "answering_since", clock.store_time() - 3600)


def test_a_run_of_a_process_that_is_gone_is_interrupted(store, config, long_up):
    here, silent = store.create(config()), store.create(config())
    for run in (here, silent):
        claim(store, run.id, "cpu", alone=False)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    move(store, here.id, owner_pid=gone.pid)
    move(store, silent.id, owner_host="another-machine", heartbeat_at=row_of(store, silent.id).heartbeat_at - 20)
    for run in (here, silent):
        assert store.get(run.id).status == "interrupted"
        assert [line.text for line in store.log(run.id)].count("interrupted at epoch 0: the process that trained it is gone") == 1
    assert resume(store, silent.id).status == "queued"


def test_killed_workers_and_a_restarted_server_leave_every_run_finished_once(server, store, home, victims, wholes, monkeypatch):
    monkeypatch.setenv("MTL_STORE_URL", server.url)
    chance = random.Random(3)
    runs = [store.create(brief(kind, epochs=2)).id for kind in ("plain", "uncertainty")]
    deaths = [{"call": "mtl_core.runs.store:write_event", "number": chance.randint(2, 5), "how": chance.choice(["before", "after"])} for _ in runs]
    pids = [victims.start(home, run, "process", death, url=server.url) for run, death in zip(runs, deaths, strict=True)]
    pids += [victims.start(home, run, "process", url=server.url) for run in runs]  # each run twice: one of the two claims it
    server.stop()
    server.start()
    assert all(ended(pid, PATIENCE) for pid in pids)
    for run in runs:
        for _ in range(3):
            if store.get(run).status == "finished":
                break
            if store.get(run).status != "queued":
                resume(store, run)
            victims.train(home, run, "process", url=server.url)
        assert sum(line.text.startswith("finished after") for line in store.log(run)) == 1
    monkeypatch.delenv("MTL_STORE_URL")
    for run in runs:
        wholes.assert_same(store, run)


def test_a_server_that_is_away_for_a_moment_is_waited_for(server, store, config):
    run = store.create(config())
    server.stop()
    try:
        store.database.wait = 0.0
        with pytest.raises(StoreError, match="cannot be reached, or its server ended the connection"):
            store.get(run.id)
        store.database.wait = PATIENCE
        with ThreadPoolExecutor(1) as pool:
            noted = pool.submit(store.note, run.id, "info", "afterwards")
            server.start()
            noted.result(PATIENCE)
    finally:
        if subprocess.run([program("pg_isready"), "-h", server.folder, "-p", str(server.port)], stdout=-1, check=False).returncode:
            server.start()
    assert store.log(run.id)[-1].text == "afterwards"


LIMITED = {"studies": {"kind": 32}, "run_facts": {"data": 255, "backbone": 255, "balancing": 255}, "study_runs": {"cell": 255}}  # before version 7


def make_version_4(store):
    """The tables as version 4 had them."""
    with store.database.write() as connection:
        for table, columns in LIMITED.items():
            for column, length in columns.items():
                connection.execute(text(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR({length})"))
        connection.execute(text("ALTER TABLE study_runs DROP COLUMN cell_digest"))
        connection.execute(text("ALTER TABLE study_runs ADD PRIMARY KEY (study_id, cell, seed)"))
        connection.execute(text("DROP INDEX runs_by_slot"))
        for column in ("slot", "lease_seconds"):
            connection.execute(text(f"ALTER TABLE runs DROP COLUMN {column}"))
        for column in ("mean", "points"):
            connection.execute(text(f"ALTER TABLE run_results DROP COLUMN {column}"))
        connection.execute(schema.meta.update().where(schema.meta.c.key == "schema_version").values(value="4"))
    forget(store.url)


def test_a_store_of_version_4_is_converted_with_its_runs_unless_one_of_them_trains(server, store, config, engine):
    store.url = server.url
    ended, training = store.create(config()), store.create(config())
    assert execute(store, ended.id).status == "finished"
    before = store.summary(ended.id)
    study = studies.create(store, studies.draft("axes", config(), {"options": {"axes": {"epochs": [2, 3]}}}, [0]))
    studies.start(store, study.id)
    cells = studies.run_ids(store, study.id)
    claim(store, training.id, "cpu")
    make_version_4(store)
    with pytest.raises(StoreError, match=f"is of an earlier version, and process {os.getpid()} .* trains run {training.id}"):
        open_postgres(server.url, store.home)
    connected = create_engine(server.url)
    with connected.begin() as connection:
        assert connection.execute(text("SELECT value FROM meta WHERE key = 'schema_version'")).scalar() == "4"
        connection.execute(schema.runs.update().where(schema.runs.c.id == training.id).values(status="stopped"))
    connected.dispose()
    converted = RunStore(store.home, open_postgres(server.url, store.home))
    assert {run.id for run in converted.runs()} == {ended.id, training.id, *cells.values()}
    assert converted.summary(ended.id) == before
    studies.start(converted, study.id)
    assert studies.run_ids(converted, study.id) == cells
    with converted.database.read() as connection:
        kept = {table.name: {column.name for column in table.columns if isinstance(column.type, Text)} for table in schema.metadata.tables.values()}
        found = inspect(connection)
        for table in LIMITED:
            unlimited = {column["name"] for column in found.get_columns(table) if isinstance(column["type"], TEXT)}
            assert unlimited == kept[table]
        assert found.get_pk_constraint("study_runs")["constrained_columns"] == ["study_id", "cell_digest", "seed"]
    again = converted.create(config())
    assert execute(converted, again.id).status == "finished"


@pytest.mark.parametrize("version", ["3", "99"])
def test_a_store_of_another_version_is_left_alone(server, store, config, version):
    with store.database.write() as connection:
        connection.execute(schema.meta.update().where(schema.meta.c.key == "schema_version").values(value=version))
    forget(server.url)
    with pytest.raises(StoreError, match=rf"has version {version}, this program reads version {schema.SCHEMA_VERSION}\. Nothing was changed"):
        open_postgres(server.url, store.home)


def test_a_database_of_another_program_is_left_alone(empty, home):
    engine = create_engine(empty.url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (a int)"))
    engine.dispose()
    with pytest.raises(StoreError, match="is not a run store of this program"):
        open_postgres(empty.url, home)


def test_an_empty_database_beside_run_folders_is_refused(server, store, config):
    store.create(config())
    forget(server.url)
    engine = create_engine(server.url)
    schema.metadata.drop_all(engine)
    engine.dispose()
    with pytest.raises(StoreError, match="has no runs, but 1 run folder lies in"):
        open_postgres(server.url, store.home)


def bad_addresses(server):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    return {
        server.over_network(SECRET): "refuses the user or the password",
        server.over_network(SECRET, port=nobody): "cannot be reached",
        f"postgresql+psycopg://tests:{SECRET}@no-such-host.invalid/runs": "cannot be reached",
        f"postgresql+psycopg://tests:a@{SECRET}@127.0.0.1/runs": "write %40",
        f"postgresql+psycopg://tests:x@127.0.0.1:{SECRET}/runs": "cannot be read",
        f"postgresql+psycopg://tests@127.0.0.1/runs?password={SECRET}&unknown_option=1": "has an option after its",
        f"mysql://tests:{SECRET}@127.0.0.1/runs": "expected an address such as",
        server.url.replace("/postgres?", "/none?") + f"&password={SECRET}": "has no database",
    }


def test_what_is_wrong_with_an_address_is_said_in_one_sentence_without_its_password(empty, home, monkeypatch, capfd, caplog):
    from mtl_core.__main__ import main

    for url, said in bad_addresses(empty).items():
        monkeypatch.setenv("MTL_STORE_URL", url)
        assert main(["runs"]) == 2, url
        out, err = capfd.readouterr()
        assert said in err, (url, err)
        assert err.count("\n") == 1, err
        main(["doctor"])
        shown = out + err + "".join(capfd.readouterr()) + caplog.text + "".join(str(problem) for problem in settings.problems())
        assert SECRET not in shown
        assert "Traceback" not in shown
