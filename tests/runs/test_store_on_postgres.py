"""The store's contract on a real PostgreSQL, which these tests start; skipped where it is not installed."""

import getpass
import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from mtl_core.runs.claims import claim
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.postgres_database import open_postgres
from mtl_core.runs.store import RunStore
from tests.runs.test_store import StoreContract

pytest.importorskip("psycopg", reason="needs psycopg, see requirements-cluster.txt")


def program(name):
    """A program of PostgreSQL; Debian keeps them out of PATH."""
    found = shutil.which(name) or next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)
    return str(found) if found else ""


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """URL of a server of these tests' own, on a socket in a folder of its own. It refuses to run as root, so root lends it another user."""
    if not program("initdb"):
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("needs PostgreSQL (initdb and pg_ctl)")
    folder = Path("/tmp") / f"mtl-postgres-{os.getpid()}"  # a socket's path has at most 107 characters
    folder.mkdir()
    user = getpass.getuser()
    as_user = []
    if os.geteuid() == 0:
        user, as_user = "postgres", ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, user)
    data = folder / "data"

    def call(*arguments):
        subprocess.run([*as_user, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    try:
        call(program("initdb"), "-D", data, "-A", "trust", "-U", "tests", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=60"
        call(program("pg_ctl"), "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        yield f"postgresql+psycopg://tests@/postgres?host={folder}"
        call(program("pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(server, home):
    engine = create_engine(server)
    schema.metadata.drop_all(engine)
    engine.dispose()
    home.mkdir()
    yield RunStore(home, open_postgres(server))
    forget(server)


def forget(url):
    """As another process finds it: nothing is open."""
    entry = process_slot("databases").pop(url)
    entry["writer"].dispose()
    entry["reader"].dispose()


class TestPostgresStore(StoreContract):
    """The contract, on PostgreSQL."""

    @pytest.fixture(autouse=True)
    def _url(self, server):
        self.url = server

    def opened_again(self, store):
        forget(self.url)
        return RunStore(store.home, open_postgres(self.url))


def test_of_many_that_claim_at_once_one_gets_the_device(server, store, config):
    """Each has connections of its own, as on another machine."""
    runs = [store.create(config()) for _ in range(6)]
    stores = []
    for _ in runs:
        stores.append(RunStore(store.home, open_postgres(server)))
        process_slot("databases").pop(server)
    together = threading.Barrier(len(runs))

    def take(place):
        together.wait()
        return claim(stores[place], runs[place].id, "cpu")

    with ThreadPoolExecutor(len(runs)) as pool:
        tokens = list(pool.map(take, range(len(runs))))
    assert sum(map(bool, tokens)) == 1
    for each in stores:
        each.database._writer.dispose()
        each.database._reader.dispose()
    open_postgres(server)  # the fixture closes it
