"""The disk is full when a run of the command line ends: it says so, tries again for a while, and exits with 1."""

import json
import sys

import pytest

from mtl_core.__main__ import main
from mtl_core.cli import foreground
from mtl_core.cli.disk_full import Unwritten
from mtl_core.errors import StoreError
from mtl_core.events import Control
from mtl_core.runs import executor
from mtl_core.runs.sql import event_writer, schema
from mtl_core.runs.sql.database import Database


class Disk:
    """Takes nothing any more from the run's first step on, for so many attempts."""

    def __init__(self, attempts):
        self.full, self.left, self.write = False, attempts, Database.write

    def database_write(self, database):
        if self.full and self.left > 0:
            self.left -= 1
            raise StoreError(f"the disk that holds the run store '{database.path}' is full (database or disk is full)")
        return self.write(database)

    def train(self, original):
        def filling_up(*arguments):
            for event in original(*arguments):
                self.full = self.full or type(event).__name__ == "StepScalars"
                yield event

        return filling_up


@pytest.fixture
def disk(engine, monkeypatch):
    """A function that puts a disk of so many refusals in the place of the store's."""
    trainer = sys.modules["mtl_core.training.trainer"]
    monkeypatch.setattr(executor, "RETRY_SECONDS", (0.01,))
    monkeypatch.setattr(executor, "HEARTBEAT_SECONDS", 1e12)  # on a slow machine heartbeats and waiting rows would use up the refusals
    monkeypatch.setattr(event_writer, "COMMIT_SECONDS", 1e12)
    monkeypatch.setattr(event_writer, "FIRST_POINTS", 0)
    monkeypatch.setattr(foreground, "UNWRITTEN_SECONDS", 0.05)

    def put_in(attempts):
        disk = Disk(attempts)
        monkeypatch.setattr(Database, "write", lambda database: disk.database_write(database))
        monkeypatch.setattr(trainer, "train", disk.train(trainer.train))

    return put_in


@pytest.fixture
def written(tmp_path, config):
    path = tmp_path / "config.yaml"
    path.write_text(config("fine").to_yaml(), encoding="utf-8")
    return str(path)


def recorded(store):
    """What the disk says, and so every other process."""
    with store.database.read() as connection:
        return [(row.status, json.loads(row.failure or "{}").get("kind")) for row in connection.execute(schema.runs.select())]


def test_it_is_said_once_tried_for_a_while_and_exits_1(store, disk, written, capsys):
    disk(10**6)
    assert main(["train", written, "--json"]) == 1
    out, err = capsys.readouterr()
    run = store.runs()[0]
    assert (run.status, run.failure["kind"]) == ("failed", "disk_full")
    assert json.loads(out)["failure"]["kind"] == "disk_full"
    assert err.startswith(f"error: run {run.id} failed: the disk that holds the run store")
    assert err.count("The program tries again for 0 s: free some space on the disk that holds MTL_HOME, or give up with Ctrl-C") == 1
    assert f"given up: the end of run {run.id} is not recorded. Its status will be 'interrupted'; 'resume {run.id}' continues it" in err
    assert recorded(store) == [("running", None)]


def test_with_room_again_it_is_recorded(store, disk, written, capsys):
    disk(3)
    assert main(["train", written]) == 1
    err = capsys.readouterr().err
    assert err.count("The program tries again") == 1
    assert "given up" not in err
    assert recorded(store) == [("failed", "disk_full")]


def test_a_worker_says_it_too_and_never_gives_up_by_itself(store, disk, config, capsys):
    run = store.create(config("fine"))
    disk(9)
    assert main(["work", run.id]) == 1
    assert "The program tries again until it works: free some space" in capsys.readouterr().err
    assert recorded(store) == [("failed", "disk_full")]


def test_ctrl_c_gives_up(capsys):
    control = Control()
    unwritten = Unwritten("20260102-030405-abcd", control)
    assert unwritten("failed: a loss is infinite", StoreError("the disk is full"))
    assert "failed: a loss is infinite\nThis cannot be recorded: the disk is full. The program tries again until it works" in capsys.readouterr().err
    control.stop("Ctrl-C")
    assert not unwritten("failed: a loss is infinite", StoreError("the disk is full"))
    assert "given up" in capsys.readouterr().err
