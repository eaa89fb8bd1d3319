"""What older versions wrote, and what a fault left: a store of version 1, checkpoints of format 1, emptied and cut-off files."""

import json
import math
import sqlite3
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.errors import StoreError
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.claims import claim, take_controls
from mtl_core.runs.store import open_store
from mtl_core.training.checkpoint_files import read_index, read_meta
from mtl_core.training.trainer import train

VERSION_1 = Path(__file__).with_name("store_v1.sql").read_text(encoding="utf-8")
FINISHED, CUT_OFF = "20260101-120000-0001", "20260102-120000-0002"


# -- a store of version 1


@pytest.fixture
def old(home):
    """The folder of a store that the first version made."""
    for run_id in (FINISHED, CUT_OFF):
        (home / "runs" / run_id).mkdir(parents=True)
    connection = sqlite3.connect(home / "store.sqlite")
    connection.executescript(VERSION_1)
    connection.close()
    return home


def content(home):
    """Every row of every table, as dicts, with only the columns that version 1 had."""
    first, now = sqlite3.connect(":memory:"), sqlite3.connect(home / "store.sqlite")
    first.executescript(VERSION_1)
    tables = [name for (name,) in first.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")]
    found = {}
    for table in tables:
        columns = ", ".join(f'"{row[1]}"' for row in first.execute(f"pragma table_info({table})"))
        found[table] = (first.execute(f"select {columns} from {table}").fetchall(), now.execute(f"select {columns} from {table}").fetchall())
    first.close()
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


def test_everything_in_an_old_store_is_still_there(old):
    open_store(old)
    for table, (before, after) in content(old).items():
        if table == "meta":
            assert (before, after) == ([("schema_version", "1")], [("schema_version", "3")])
        else:
            assert before == after, table
            assert before, table


def test_an_old_store_becomes_like_a_new_one(old, tmp_path):
    open_store(old)
    open_store(tmp_path / "fresh")
    assert described(old) == described(tmp_path / "fresh")


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
    assert [run.id for run in store.queued()] == [FINISHED, CUT_OFF, new.id]
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


# -- files that a fault left


def bytes_of(home):
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("left", "word"), [(b"", "empty"), (None, "missing")])
def test_a_store_file_that_was_emptied_or_lost_beside_runs_is_refused_and_left_alone(home, left, word):
    (home / "runs" / FINISHED).mkdir(parents=True)
    (home / "runs" / FINISHED / "config.yaml").write_text("epochs: 3")
    if left is not None:
        (home / "store.sqlite").write_bytes(left)
    before = bytes_of(home)
    with pytest.raises(StoreError, match=rf"store.sqlite' is {word}, but 1 run folder lies in '.*runs'. Nothing was deleted. Restore a copy"):
        open_store(home)
    assert bytes_of(home) == before


def test_an_empty_file_without_runs_is_a_new_store(home):
    (home / "runs" / "not a run").mkdir(parents=True)
    (home / "store.sqlite").write_bytes(b"")
    assert open_store(home).runs() == []


@pytest.fixture
def whole(store, config, tmp_path):
    """Bytes of a real store's file with some hundred pages, all of it out of the log."""
    run = store.create(config())
    store.append(run.id, EpochMetrics(1, 1, {f"val/task/{'metric' * 10}{number}": 1.0 for number in range(2000)}))
    with store.database._writer.connect() as connection:
        connection.connection.driver_connection.execute("pragma wal_checkpoint(truncate)")
    return run.id, store.database.path.read_bytes()


def read_everything(home, run_id):
    store = open_store(home)
    store.runs()
    store.log(run_id)
    store.settings()
    store.scalars(run_id)
    store.summary(run_id)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.501, 0.75, 0.9, 0.999])
def test_a_store_file_that_was_cut_off_is_refused_in_words(whole, tmp_path, share):
    run_id, content = whole
    home = tmp_path / "damaged"
    (home / "runs" / run_id).mkdir(parents=True)
    cut = content[: int(len(content) * share)]
    (home / "store.sqlite").write_bytes(cut)
    with pytest.raises(StoreError, match=r"store.sqlite' is damaged \(.*\). Nothing was deleted. Restore a copy of it, or move 'store.sqlite'"):
        read_everything(home, run_id)
    assert (home / "store.sqlite").read_bytes() == cut


@pytest.mark.parametrize("page", [3, 30, 50])
def test_a_store_with_a_spoiled_page_says_so_where_it_is_read(whole, tmp_path, page):
    """Opening may go well: the page is looked at only when its rows are read."""
    run_id, content = whole
    home = tmp_path / "damaged"
    (home / "runs" / run_id).mkdir(parents=True)
    (home / "store.sqlite").write_bytes(content[: 4096 * page] + b"\x07" * 4096 + content[4096 * (page + 1) :])
    with pytest.raises(StoreError, match=r"store.sqlite' is damaged"):
        read_everything(home, run_id)


# -- checkpoints of format 1

PLAIN = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "balancing": {"name": "uncertainty"},
    "epochs": 3,
    "batch_size": 128,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 4,
    "device": "cpu",
    "keep_checkpoints": 0,
}


class StopAfter(Control):
    """A control that asks to stop at its n-th look."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    @property
    def interrupted(self):
        self.looks -= 1
        if self.looks < 0:
            self.stop_requested = True
        return super().interrupted


def trained(folder, cache, control=None):
    folder.mkdir(exist_ok=True)
    events = list(train(RunConfig.from_dict(PLAIN), folder, cache, control or Control()))
    return events, {(e.step, key): value for e in events if isinstance(e, StepScalars | EpochMetrics) for key, value in e.scalars.items()}


def make_old(folder):
    """Rewrite a run's checkpoints as the first version wrote them."""
    index = read_index(folder)
    parent = folder / "checkpoints"
    for name in {index["best"], index["last"]}:
        meta = read_meta(folder, name)
        (parent / name / "meta.json").write_text(json.dumps({key: meta[key] for key in ("position", "execution")}))
        state = torch.load(parent / name / "state.pt", weights_only=True)
        del state["optimizer_names"], state["balancer"]["_extra_state"], state["window"]["noted"]
        state["scheduler"] = {"last_epoch": meta["position"]["step"], "_last_lr": [0.0]}
        torch.save(state, parent / name / "state.pt")
    (parent / "index.json").write_text(json.dumps({"best": index["best"], "last": index["last"]}))


def test_a_run_with_old_checkpoints_goes_on_and_ends_bit_by_bit_the_same(tmp_path, shared_cache):
    _, whole = trained(tmp_path / "whole", shared_cache)
    events, first = trained(tmp_path / "cut", shared_cache, StopAfter(25))
    assert events[-1].status == "stopped"
    assert 9 < events[-1].step < 27  # in the second or third epoch, so that there are two checkpoints
    make_old(tmp_path / "cut")
    events, second = trained(tmp_path / "cut", shared_cache)
    assert events[-1].status == "finished"
    assert first | second == whole
    weights = [
        load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors") for folder in (tmp_path / "whole", tmp_path / "cut")
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
