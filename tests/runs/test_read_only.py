"""A store that can only be read: what reads works, what writes says so, nothing is written."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from mtl_core.__main__ import main
from mtl_core.errors import StoreError
from mtl_core.events import EpochMetrics, RunEnded, RunStarted, StepScalars
from mtl_core.runs import actions, jobs
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql import read_only
from mtl_core.runs.store import open_store

ROOT = Path(__file__).parents[2]


def filled(store, config):
    run = store.create(config("one"), columns=held_by_us("cpu"))
    store.append(run.id, RunStarted(4, {"tasks": {}}))
    store.append(run.id, StepScalars(2, 1.0, {"train/a/loss": 1.5}))
    store.append(run.id, EpochMetrics(4, 2, {"val/a/loss": 0.5}))
    store.append(run.id, RunEnded("finished", 4, 2.0, 3.0, 1.0))
    left = store.create(config("left"), columns=held_by_us("cpu") | {"owner_pid": 2**22, "owner_started": 0.0})  # its process is gone
    waits = store.create(config("waits"))
    return run.id, left.id, waits.id


def forget(home):
    """As another process would find it: nothing is open any more."""
    databases = process_slot("databases")
    for key in [key for key in databases if key.startswith(str(home))]:
        entry = databases.pop(key)
        for name in ("writer", "reader"):
            if entry.get(name) is not None:
                entry[name].dispose()


@pytest.fixture
def refusing(monkeypatch):
    """The system refuses to write below a folder, as one that is mounted read-only does."""

    def refuse(home):
        real_temporary, real_access = read_only.tempfile.TemporaryFile, os.access

        def temporary(*arguments, dir=None, **more):
            if dir is not None and Path(dir).is_relative_to(home):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return real_temporary(*arguments, dir=dir, **more)

        monkeypatch.setattr("tempfile.TemporaryFile", temporary)
        monkeypatch.setattr(os, "access", lambda path, mode, **more: not Path(path).is_relative_to(home) and real_access(path, mode, **more))

    return refuse


def contents(home):
    """Every file but the index and the empty log that SQLite keeps beside a database wherever it may."""
    files = {path.relative_to(home).as_posix(): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}
    return {name: content for name, content in files.items() if not name.endswith("-shm") and not (name.endswith("-wal") and not content)}


@pytest.mark.parametrize("state", ["closed", "killed", "old"])
def test_everything_that_reads_works_and_what_writes_says_so(store, home, config, refusing, monkeypatch, capsys, tmp_path, state):
    finished, left, waits = filled(store, config)
    if state == "killed":  # the log still holds what was committed last
        copy = tmp_path / "copy"
        shutil.copytree(home, copy)
        forget(home)
        shutil.rmtree(home)
        copy.rename(home)
        (home / "store.sqlite-shm").unlink()
        assert (home / "store.sqlite-wal").stat().st_size > 0
    else:
        forget(home)
    if state == "old":
        shutil.rmtree(home)
        home.mkdir()
        with sqlite3.connect(home / "store.sqlite") as connection:
            connection.executescript((Path(__file__).parent / "store_v1.sql").read_text(encoding="utf-8"))
        connection.close()
    before = contents(home)
    monkeypatch.setenv("MTL_HOME", str(home))
    refusing(home)

    reading = open_store()
    runs = reading.runs()
    assert main(["runs", "--json"]) == 0
    assert [run["run"] for run in json.loads(capsys.readouterr().out)] == [run.id for run in runs]
    if state != "old":
        assert [(run.id, run.status) for run in runs] == [(waits, "queued"), (left, "interrupted"), (finished, "finished")]
        assert main(["runs", "show", finished]) == 0
        assert main(["runs", "scalars", finished, "--csv"]) == 0
        assert "val/a/loss,0.5" in capsys.readouterr().out
        assert main(["export", finished, "--format", "csv,json,yaml", "--out", str(tmp_path / "elsewhere")]) == 0
        assert len(list((tmp_path / "elsewhere").iterdir())) == 3
        acting = (["resume", left], ["runs", "tag", finished, "x"], ["stop", waits], ["evaluate", finished])
        for command in (["queue", "--preset", "digits-quick"], *acting):
            assert main(command) == 2
            assert "can only be read" in capsys.readouterr().err
    else:
        assert len(runs) > 0
    run = runs[0]
    for write in (
        lambda: reading.create(config()),
        lambda: reading.set("executor", "process"),
        lambda: reading.note(run.id, "info", "text"),
        lambda: actions.delete_run(reading, run.id),
        lambda: actions.pin(reading, run.id),
    ):
        with pytest.raises(StoreError, match=r"can only be read: its file or folder is read-only. Nothing was changed"):
            write()
    assert "can only be read" in jobs.queue_problem(reading)
    assert contents(home) == before


def test_what_another_writes_meanwhile_is_seen(store, home, config, refusing, monkeypatch):
    filled(store, config)
    refusing(home)
    reading = open_store(home)
    assert (reading.database.read_only, len(reading.runs())) == (True, 3)
    store.create(config("new"))
    assert open_store(home).runs()[0].name == "new"


def test_a_folder_without_a_store_is_refused_as_before(home, refusing):
    home.mkdir()
    refusing(home)
    with pytest.raises(StoreError, match="cannot be written: Read-only file system"):
        open_store(home)


def test_a_read_only_mount(store, home, config, tmp_path, monkeypatch, capsys):
    """The real thing, where this process may mount; the first command in a process of its own."""
    finished, *_ = filled(store, config)
    forget(home)
    mount = tmp_path / "mounted"
    mount.mkdir()
    mounted = shutil.which("mount") and subprocess.run(["mount", "--bind", "-o", "ro", str(home), str(mount)], capture_output=True).returncode == 0
    if not mounted:
        pytest.skip("needs the right to mount")
    try:
        monkeypatch.setenv("MTL_HOME", str(mount))
        done = subprocess.run([sys.executable, "-m", "mtl_core", "runs"], cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert (done.returncode, finished in done.stdout) == (0, True), done.stdout + done.stderr
        for command, code, said in (
            (["runs", "show", finished], 0, "val/a/loss"),
            (["runs", "scalars", finished, "--csv"], 0, "train/a/loss"),
            (["export", finished, "--format", "csv", "--out", str(tmp_path / "out")], 0, "metrics.csv"),
            (["queue", "--preset", "digits-quick"], 2, "can only be read"),
        ):
            assert main(command) == code
            assert said in "".join(capsys.readouterr())
    finally:
        forget(mount)
        subprocess.run(["umount", str(mount)], check=True)
