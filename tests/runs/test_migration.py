"""A store of an earlier version becomes one of the present version, and a program that would spoil one is refused."""

import json
import math
import signal
import sqlite3
import struct
import time
from dataclasses import astuple
from functools import cache
from pathlib import Path

import pytest

from mtl_core.errors import StoreError
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.claims import claim, take_controls
from mtl_core.runs.process_identity import this_process
from mtl_core.runs.run_results import results_of
from mtl_core.runs.sql import scalar_conversion
from mtl_core.runs.sql.schema import SCHEMA_VERSION, study_runs
from mtl_core.runs.store import open_store
from mtl_core.studies import study_actions

DUMPS = {version: Path(__file__).with_name(f"store_v{version}.sql").read_text(encoding="utf-8") for version in (1, 3)}

VERSION_1 = DUMPS[1]

FINISHED, CUT_OFF = "20260101-120000-0001", "20260102-120000-0002"


# -- a store of version 1


@pytest.fixture
def make_old_store(home):
    """Makes the store of an earlier version; its folder."""

    def make(version):
        connection = sqlite3.connect(":memory:")
        connection.executescript(DUMPS[version])
        for (run_id,) in connection.execute("select id from runs"):
            (home / "runs" / run_id).mkdir(parents=True)
        with sqlite3.connect(home / "store.sqlite") as file:
            connection.backup(file)
        file.close()
        connection.close()
        return home

    return make


@pytest.fixture
def old(make_old_store):
    """The folder of a store that the first version made."""
    return make_old_store(1)


def values_in(connection):
    """(run's id, key, step, epoch, value, wall_time) of every scalar, read without the program; NULL for NaN."""
    tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
    if "scalars" in tables:
        return connection.execute("select run_id, key, step, epoch, value, wall_time from scalars order by run_id, key, step").fetchall()
    joined = "points join key_sets on key_sets.number = points.key_set join runs on runs.number = points.run"
    found = []
    for run_id, step, epoch, wall_time, keys, packed in connection.execute(
        f"select runs.id, points.step, points.epoch, points.wall_time, key_sets.scalar_keys, points.packed from {joined}"
    ):
        names = json.loads(keys)
        for key, value in zip(names, struct.unpack(f"<{len(names)}d", packed), strict=True):
            found.append((run_id, key, step, epoch, None if math.isnan(value) else value, wall_time))
    return sorted(found, key=lambda row: row[:3])


CHANGED = ("scalars", "run_results")  # have another form since version 4


@cache
def dumped(dump):
    """Of every table of a dump: its columns as SQL, and its rows; of the scalars their ``values_in``."""
    first = sqlite3.connect(":memory:")
    first.executescript(dump)
    tables = [name for (name,) in first.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")]
    found = {"scalars": ("", values_in(first))}
    for table in [table for table in tables if table not in CHANGED]:
        columns = ", ".join(f'"{row[1]}"' for row in first.execute(f"pragma table_info({table})"))
        found[table] = (columns, first.execute(f"select {columns} from {table}").fetchall())
    first.close()
    return found


def content(home, dump=VERSION_1):
    """Every row of every table, with only the columns that the dump's version had, before and now; the scalars by ``values_in``."""
    now, found = sqlite3.connect(home / "store.sqlite"), {}
    for table, (columns, rows) in dumped(dump).items():
        found[table] = (rows, values_in(now) if table == "scalars" else now.execute(f"select {columns} from {table}").fetchall())
    now.close()
    return found


def described(home):
    """Columns (name, type, not null, default, key) and indexes (unique, columns) of every table."""
    connection = sqlite3.connect(home / "store.sqlite")
    tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
    columns = {table: {row[1]: row[2:6] for row in connection.execute(f"pragma table_info({table})")} for table in tables}
    indexes = {}
    for table in tables:
        for row in connection.execute(f"pragma index_list({table})"):
            indexes[row[1]] = (table, row[2], tuple(column[2] for column in connection.execute(f"pragma index_info({row[1]})")))
    connection.close()
    return columns, indexes


@pytest.mark.parametrize("version", [1, 3])
def test_everything_in_an_old_store_is_still_there(make_old_store, version):
    home, dump = make_old_store(version), DUMPS[version]
    open_store(home)
    for table, (before, after) in content(home, dump).items():
        if table == "meta":
            assert (before, after) == ([("schema_version", str(version))], [("schema_version", str(SCHEMA_VERSION))])
        else:
            assert before == after, table
            assert before or table == "controls", table


@pytest.mark.parametrize("version", [1, 3])
def test_an_old_store_becomes_like_a_new_one(make_old_store, tmp_path, version):
    home = make_old_store(version)
    open_store(home)
    open_store(tmp_path / "fresh")
    assert described(home) == described(tmp_path / "fresh")


def test_a_cell_of_a_study_with_a_long_text_keeps_its_run(make_old_store):
    home, cell = make_old_store(3), "tasks=" + "x" * 5000
    old = sqlite3.connect(home / "store.sqlite")
    old.execute("update study_runs set cell = ?", [cell])
    old.commit()
    old.close()
    store = open_store(home)
    assert study_actions.run_ids(store, "study-0001") == {(cell, 0): "20260101-130000-0001"}
    with pytest.raises(StoreError, match="UNIQUE"), store.database.write() as connection:
        connection.execute(study_runs.insert().values(study_id="study-0001", cell=cell, seed=0, run_id="20260101-130000-0001"))


def test_results_that_version_3_wrote_are_computed_alike(make_old_store):
    old = sqlite3.connect(":memory:")
    old.executescript(DUMPS[3])
    rows = old.execute("select task, metric, split, best, last, chosen, best_epoch, chosen_epoch, higher_is_better from run_results").fetchall()
    old.close()
    store = open_store(make_old_store(3))
    found = results_of(store.database, ["20260101-130000-0001", "20260102-130000-0002"])
    assert [astuple(result) for result in found["20260101-130000-0001"]] == sorted(rows)
    assert [astuple(result) for result in found["20260102-130000-0002"]] == [("digit", "accuracy", "val", 0.25, 0.25, 0.25, 1.0, 1.0, True)]
    assert store.summary("20260101-130000-0001")["train/digit/loss"]["best"] == 0.125  # of the step that was repeated
    assert store.summary("20260101-130000-0001")["train/ink/loss"]["last"] == 12.0


# Converts a store once for each line that it reads, in a child process that is killed before its statement of this number; prints how that ended.
# It converts a copy first, so that the children need not import what a conversion needs.
CONVERSIONS = """
import contextlib, gc, os, shutil, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.sql.database import open_database

open_database(Path(shutil.copy(sys.argv[1], sys.argv[1] + ".copy")))
for entry in process_slot("databases").values():
    entry["writer"].dispose()
    entry["reader"].dispose()
gc.freeze()

for number in map(int, sys.stdin):
    child = os.fork()
    if child == 0:
        left = iter(range(number - 1))

        @event.listens_for(Engine, "before_cursor_execute")
        def kill(*_):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        with contextlib.suppress(BaseException):
            open_database(Path(sys.argv[1]), writable=True)  # what is asked of the converted store later is left out
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_store_whose_conversion_was_killed_is_the_old_one(make_old_store, python):
    """A child process is killed before a statement; then the store is as it was. At every statement."""
    home = make_old_store(3)
    before = content(home, DUMPS[3])
    conversions, statements, ended = python(CONVERSIONS, str(home / "store.sqlite")), 0, None
    while ended != 0:
        statements += 1
        conversions.stdin.write(f"{statements}\n")
        conversions.stdin.flush()
        ended = int(conversions.stdout.readline())
        assert ended in (0, -signal.SIGKILL)
        connection = sqlite3.connect(home / "store.sqlite")
        version = connection.execute("select value from meta").fetchone()[0]
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        connection.close()
        expected = ("3", True, False) if ended else (str(SCHEMA_VERSION), False, True)
        assert (version, "scalars" in tables, "points" in tables) == expected, statements
        if ended:
            assert content(home, DUMPS[3]) == before, statements
    assert statements > 30
    after = content(home, DUMPS[3])
    assert after.pop("meta") != before.pop("meta")
    assert after == before


def test_a_conversion_says_how_far_it_is(make_old_store, monkeypatch, caplog):
    monkeypatch.setattr(scalar_conversion, "REPORT_SECONDS", 0.0)
    open_store(make_old_store(3))
    said = [record.getMessage() for record in caplog.records if "is converted" in record.getMessage()]
    assert [text.partition(f"version {SCHEMA_VERSION}: ")[2] for text in said] == [
        f"{share} %. Nothing is lost if this is interrupted." for share in (0, 27, 53)
    ]


def test_an_old_store_in_which_a_run_trains_is_refused(make_old_store):
    home = make_old_store(3)
    me = this_process()
    connection = sqlite3.connect(home / "store.sqlite")
    held = (me.host, me.pid, me.started, time.time())
    connection.execute(
        "update runs set status = 'running', owner_host = ?, owner_pid = ?, owner_started = ?, heartbeat_at = ? where number = 2", held
    )
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=f"process {me.pid} on .* trains run 20260102-130000-0002 in it with that version. .* Nothing was changed."):
        open_store(home)
    connection = sqlite3.connect(home / "store.sqlite")
    assert connection.execute("select value from meta").fetchone() == ("3",)
    connection.execute("update runs set status = 'interrupted' where number = 2")
    connection.commit()
    connection.close()
    assert len(open_store(home).runs()) == 3


def test_a_program_whose_open_store_was_converted_by_a_newer_one_writes_nothing(store, config):
    run = store.create(config())
    connection = sqlite3.connect(store.database.path)
    connection.execute("update meta set value = '99' where key = 'schema_version'")
    connection.commit()
    with pytest.raises(StoreError, match=r"was converted by another version .* while this process had it open. Nothing was written."):
        actions.rename(store, run.id, "another")
    connection.execute("drop table run_results")
    connection.commit()
    with pytest.raises(StoreError, match=r"was converted by another version of the program \(no such table: run_results\)"):
        store.summary(run.id)
    connection.close()


def test_old_runs_are_read(old):
    store = open_store(old)
    finished, cut_off = store.get(FINISHED), store.get(CUT_OFF)
    assert (finished.status, finished.name, finished.progress, finished.steps_per_second) == ("finished", "finished", 1.0, 8.0)
    assert (finished.note, finished.tags, finished.pinned, finished.archived, finished.parent, finished.seconds_before) == (
        "",
        (),
        False,
        False,
        None,
        0,
    )
    assert (cut_off.status, cut_off.step, cut_off.epoch) == ("interrupted", 2, 1.0)
    assert store.summary(FINISHED)["val/digit/loss"]["best"] == 0.25
    assert math.isnan(store.scalars(FINISHED)["value"].iloc[-1])
    assert [line.text for line in store.log(FINISHED)][-1] == "finished after 4 steps (2 epochs) in 0.5 s"


def test_old_runs_are_gone_on_with(old, config):
    store = open_store(old)
    resume_and_fork.train_on(store, FINISHED, 4)
    resume_and_fork.resume(store, CUT_OFF)
    new = store.create(config(), request_id="click")
    assert [run.id for run in store.queued()] == [CUT_OFF, FINISHED, new.id]  # what was interrupted goes on first
    assert claim(store, CUT_OFF, "cpu")
    assert take_controls(store, CUT_OFF) == []  # the stop of the earlier attempt is not meant for this one
    actions.rename(store, FINISHED, "mine")
    assert store.get(FINISHED).name == "mine"


def test_opening_an_old_store_twice_migrates_it_once(old):
    open_store(old)
    before = described(old)
    connection = sqlite3.connect(old / "store.sqlite")
    connection.execute("update runs set title = 'kept' where number = 1")
    connection.commit()
    connection.close()
    assert open_store(old).get(FINISHED).name == "kept"
    assert described(old) == before


def test_a_migration_that_fails_leaves_the_old_store(old, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("killed here")

    monkeypatch.setattr("alembic.operations.Operations.create_index", fail)
    with pytest.raises(RuntimeError, match="killed here"):
        open_store(old)
    monkeypatch.undo()
    for before, after in content(old).values():
        assert before == after
    assert open_store(old).get(FINISHED).status == "finished"
