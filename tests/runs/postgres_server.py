"""A PostgreSQL server of the tests' and the benchmarks' own, from the programs that are installed."""

import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

from mtl_core.runs.process_singletons import process_slot


def program(name):
    """A program of PostgreSQL; Debian keeps them out of PATH."""
    found = shutil.which(name) or next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)
    return str(found) if found else ""


def forget(url):
    """As another process finds it: nothing is open."""
    if entry := process_slot("databases").pop(url, None):
        entry["writer"].dispose()
        entry["reader"].dispose()


class Server:
    """A server on a socket and a port of its own. PostgreSQL refuses to run as root, so root lends it another user."""

    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        user, self._as_user = getpass.getuser(), []
        if os.geteuid() == 0:
            user, self._as_user = "postgres", ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://tests@/postgres?host={folder}&port={self.port}"
        self._call("initdb", "-D", self.data, "--auth-local=trust", "--auth-host=scram-sha-256", "-U", "tests", "--no-sync")

    def start(self):
        options = f"-k {self.folder} -p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
        self._call("pg_ctl", "-D", self.data, "-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self, how="fast"):
        self._call("pg_ctl", "-D", self.data, "-m", how, "-w", "stop")

    def over_network(self, password, database="postgres", port=None):
        return f"postgresql+psycopg://tests:{password}@127.0.0.1:{port or self.port}/{database}"

    def _call(self, name, *arguments):
        subprocess.run([*self._as_user, program(name), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, cwd=self.folder)
