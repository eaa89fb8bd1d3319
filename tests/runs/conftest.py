"""A store in a folder of the test's own, a config, and an engine without torch."""

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from mtl_core.config import RunConfig
from mtl_core.events import EpochMetrics, RunEnded, RunStarted
from mtl_core.runs import study_cells
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import clock
from mtl_core.runs.sql.postgres_database import open_postgres
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import RunStore, open_store
from tests.runs.run_states import HELD

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # victims and evidence serve the benchmarks too
pytest.register_assert_rewrite("evidence")


def named(name="", **settings):
    """A config whose name tells the fake engine what to do."""
    plain = {"name": name, "data": {"name": "digits"}, "tasks": {"digit": {}}, "backbone": {"name": "mlp"}, "epochs": 2, "device": "cpu"}
    return RunConfig.from_dict(plain | settings)


@pytest.fixture
def config():
    return named


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def _no_follow_ups(monkeypatch):
    """What pages enter for studies in this process, in tests before, is not asked by the queues here."""
    monkeypatch.setattr(study_cells, "FOLLOW_UPS", {})


@pytest.fixture
def store(home):
    return open_store(home)


@pytest.fixture(scope="session")
def ray_token():
    """The token of every Ray cluster of the tests: Ray reads it once in a process."""
    return secrets.token_hex(32)


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL server of the tests' own."""
    pytest.importorskip("psycopg", reason="needs psycopg, see requirements-cluster.txt")
    from postgres_server import Server, program

    if not program("initdb"):
        pytest.skip("needs PostgreSQL (initdb and pg_ctl)")
    folder = Path("/tmp") / f"mtl-postgres-{os.getpid()}"  # a socket's path has at most 107 characters
    folder.mkdir()
    try:
        own = Server(folder)
        own.start()
        yield own
        own.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def empty(server):
    """The server without tables."""
    from postgres_server import forget

    engine = create_engine(server.url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    yield server
    engine.dispose()
    forget(server.url)
    clock.forget()


@pytest.fixture
def postgres_store(empty, home):
    """A store in the server's database."""
    home.mkdir()
    return RunStore(home, open_postgres(empty.url, home))


@pytest.fixture
def another(empty, postgres_store):
    """Opens the store with connections of its own, as on another machine."""
    opened, entries = process_slot("databases"), []

    def open_again():
        kept = opened.pop(empty.url)
        found = RunStore(postgres_store.home, open_postgres(empty.url, postgres_store.home))
        entries.append(opened[empty.url])
        opened[empty.url] = kept
        return found

    yield open_again
    for entry in entries:
        entry["writer"].dispose()
        entry["reader"].dispose()


@pytest.fixture
def engine(monkeypatch):
    """The fake engine's module, in the place of the real one for this test."""
    spec = importlib.util.spec_from_file_location("fake_trainer", Path(__file__).with_name("fake_trainer.py"))
    fake = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fake)
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    return fake


@pytest.fixture
def one_thread():
    """Small networks are computed faster by one thread, above all beside other programs."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Runs that nothing happens to."""
    from evidence import Wholes

    return Wholes(tmp_path_factory.mktemp("wholes"))


@pytest.fixture
def wholes(store, undisturbed, one_thread):
    """Runs that nothing happens to, to compare those of the test's store with. All use the same prepared data."""
    store.cache = undisturbed.store.cache
    return undisturbed


@pytest.fixture(scope="session")
def victims():
    """Starts processes that train and can be killed; PyTorch is imported once for all of them."""
    if not hasattr(os, "pidfd_open"):
        pytest.skip("waits for processes as only Linux can")
    from victims import Victims

    forking = Victims()
    yield forking
    forking.close()


@pytest.fixture
def python(home):
    """Start Python on some code, with the store's home in the environment; killed at the end if it still runs."""
    started = []

    def start(code, *arguments):
        environment = {**os.environ, "MTL_HOME": str(home), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code, *arguments]
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=-1, stdout=-1, stderr=-1, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def ended(store, config):
    """Make a run that has ended like this, after 6 steps of 8."""

    def make(status="stopped", name="", **settings):
        run = store.create(config(name, **settings), columns=held_by_us("cpu"))
        store.append(run.id, RunStarted(8, {}))
        store.append(run.id, EpochMetrics(6, 1, {"val/a/loss": 1.0, "test/a/loss": 2.0}))
        if status == "failed":
            store.end(run.id, RunStatus(status), {"kind": "bug", "message": "m", "cure": "c", "trace": "t"})
        else:
            store.append(run.id, RunEnded(status, 6, 1.5, 1.0, 1.0))
        return store.get(run.id)

    return make


@pytest.fixture
def run_that_is(store, config):
    """Make a run in this state; one that is held is held by this thread."""

    def make(status, name=""):
        columns = {**held_by_us("cpu"), "status": status} if status in HELD else {"status": status}
        return store.create(config(name), columns=columns)

    return make
