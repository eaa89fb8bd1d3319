"""Object stores for the tests, and the machines that use one: each has a folder of its own, and they share a database."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from importlib.util import find_spec

import pytest
from sqlalchemy import update

from mtl_core.atomic_files import write_text
from mtl_core.errors import UnreachableObjectsError
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.objects.object_artifacts import ObjectArtifacts
from mtl_core.runs.sql import schema
from mtl_core.runs.sql.database import open_database
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import name_of, sha256, update_index

one_place = pytest.mark.parametrize("url", ["memory"], indirect=True)


class FaultyBucket(Bucket):
    """A bucket that can be away, or end the process after some objects.

    Attributes:
        is_away: every request fails.
        dies_after: objects that are written before the process is gone; None for all.
        dies_after_reads: objects that are read before the process is gone; None for all.
    """

    is_away = False
    dies_after = None
    dies_after_reads = None

    def _call(self, do, name):
        if self.is_away:
            raise UnreachableObjectsError(f"the object store '{self.shown}' cannot be used: no route to host")
        return super()._call(do, name)

    def write(self, name, source, moved=lambda count: None):
        if self.dies_after is not None:
            if self.dies_after == 0:
                raise Killed
            self.dies_after -= 1
        super().write(name, source, moved)

    def read(self, name, target, moved=lambda count: None):
        if self.dies_after_reads is not None:
            if self.dies_after_reads == 0:
                raise Killed
            self.dies_after_reads -= 1
        super().read(name, target, moved)


class Killed(BaseException):
    """Stands for the end of the process."""


class Machine(RunStore):
    """One machine's store."""

    def __init__(self, home, database, url):
        home.mkdir(exist_ok=True)
        super().__init__(home, database)
        self.bucket = FaultyBucket(url)
        self.artifacts = ObjectArtifacts(self, self.bucket)
        self.artifacts.background_sync.start = lambda: None  # the tests call its rounds

    def files(self, run_id):
        """What of the run is on this machine: path -> content."""
        folder = self.place(run_id)
        there = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in there}


def machines(tmp_path, url, count=2):
    """Machines on one database and one object store."""
    database = open_database(tmp_path / "store.sqlite")
    return [Machine(tmp_path / f"machine{number}", database, url) for number in range(count)]


def objects_of(machine):
    """Names of all objects below the bucket's address."""
    files, root = machine.bucket._files()
    return sorted(path.removeprefix(files._strip_protocol(root)).lstrip("/") for path in files.find(root))


def checkpoint(folder, epoch, content=b"", best=True):
    """Save a checkpoint as training does. Its files say its epoch."""
    name = name_of(epoch, 10 * epoch)
    place = folder / "checkpoints" / name
    place.mkdir(parents=True)
    for file in ("model.safetensors", "state.pt"):
        (place / file).write_bytes(f"{file} of epoch {epoch}".encode() + content)
    sums = {file: sha256(place / file) for file in ("model.safetensors", "state.pt")}
    meta = {"format": 2, "position": {"epoch": epoch, "step_in_epoch": 0}, "execution": {"precision": "fp32"}, "sha256": sums}
    write_text(place / "meta.json", json.dumps(meta))
    update_index(folder, name, best=best, keep=False)
    return name


def end(store, run_id, status="finished"):
    """Write the end of a run into its row."""
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(status=status, finished_at=1.0))


def log_of(store, run_id):
    """The texts of a run's log."""
    return [line.text for line in store.log(run_id)]


class S3Server:
    """moto's server of S3 in a process of its own. ``folder`` gets its log."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        with (folder / "log").open("w") as log:
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server of S3 does not start: {(folder / 'log').read_text()}")
            time.sleep(0.1)

    @staticmethod
    def is_installed():
        return all(find_spec(name) for name in ("moto", "flask", "flask_cors", "s3fs"))

    def environment(self):
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": "127.0.0.1",
        }

    def new_bucket(self):
        """The address of a new bucket."""
        name = f"tests-{uuid.uuid4().hex[:12]}"
        urllib.request.urlopen(urllib.request.Request(f"{self.address}/{name}", method="PUT")).close()
        return f"s3://{name}/lab/runs"

    def stop(self):
        self.process.kill()
        self.process.wait()

    def _answers(self):
        try:
            urllib.request.urlopen(f"{self.address}/moto-api/").close()
            return True
        except OSError:
            return False


def without_proxies():
    """Names of the environment's proxies, which must not be asked for this machine."""
    return [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
