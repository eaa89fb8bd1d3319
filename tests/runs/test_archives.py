"""Archives of runs: what goes to another store and comes back, what an archive from outside may not do, and pruning."""

import json
import math
import os
import pickle
import shutil
import zipfile

import pytest
from sqlalchemy import select

from mtl_core.__main__ import main
from mtl_core.errors import DataError, NonFiniteLossError, NotPossibleError, StoreError
from mtl_core.events import EpochMetrics, RunEnded, RunStarted, StepScalars
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.archives import archive_reading
from mtl_core.runs.archives.archive_reading import read_archive
from mtl_core.runs.archives.pruning import prunable
from mtl_core.runs.archives.run_archive import write_archive
from mtl_core.runs.claims import held_by_us
from mtl_core.runs.failures import facts_of, failure_of
from mtl_core.runs.objects.set_transfer import megabytes
from mtl_core.runs.run_results import results_of
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store

INFO = {"tasks": {"digit": {"main_metric": "loss", "metrics": {"loss": {"higher_is_better": False, "title": "Loss", "unit": ""}}}}}


@pytest.fixture
def run(store, config):
    """A finished run with scalars that are no numbers, a note, probe predictions and a checkpoint."""
    run = store.create(config("moved"), columns=held_by_us("cpu"))
    store.append(run.id, RunStarted(4, INFO))
    store.append(run.id, StepScalars(1, 0.25, {"train/digit/loss": float("nan"), "optimizer/lr": 0.1}))
    store.append(run.id, EpochMetrics(2, 1, {"val/digit/loss": 1 / 3, "train/digit/other": float("inf"), "selection/score": -1 / 3}))
    store.append(run.id, RunEnded("finished", 2, 1.0, 3.0, 1.0))
    actions.set_note(store, run.id, "a note\nin two lines")
    actions.set_tags(store, run.id, ["paper"])
    folder = store.folder(run.id) / "checkpoints" / "epoch_0001_step_00000002"
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "state.pt", "meta.json"):
        (folder / name).write_bytes(name.encode())
    (store.folder(run.id) / "probes").mkdir()
    (store.folder(run.id) / "probes" / "targets.npz").write_bytes(b"arrays")
    return store.get(run.id)


@pytest.fixture
def other(tmp_path):
    return open_store(tmp_path / "other")


@pytest.fixture
def archive(store, run, tmp_path):
    write_archive(store, [run], tmp_path / "runs.zip")
    return tmp_path / "runs.zip"


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_the_same_in_another_store(store, other, run, archive):
    assert read_archive(other, archive) == ([run.id], [])
    there = other.get(run.id)
    differs = {name for name, value in vars(run).items() if vars(there)[name] != value}
    assert differs == {"heartbeat_at", "progress_at", "holder"}  # which process held it
    for one, two in ((store, other),):
        frames = [each.scalars(run.id).sort_values(["step", "key"], ignore_index=True) for each in (one, two)]
        assert frames[0].drop(columns="row").equals(frames[1].drop(columns="row"))
        assert results_of(one.database, [run.id]) == results_of(two.database, [run.id])
        assert [line.text for line in two.log(run.id)] == ["imported from an archive", *(line.text for line in one.log(run.id))]
    before, after = files(store.folder(run.id)), files(other.folder(run.id))
    assert before.pop("checkpoints/epoch_0001_step_00000002/state.pt")
    assert before.pop("log.txt") != after.pop("log.txt")  # that it came from an archive
    assert after == before


def test_a_run_that_is_there_stays_as_it_is(other, run, archive):
    read_archive(other, archive)
    actions.rename(other, run.id, "mine")
    assert read_archive(other, archive) == ([], [run.id])
    assert other.get(run.id).name == "mine"


def test_a_failure_is_the_same_in_another_store(store, other, config, tmp_path):
    ids = []
    for failure in (failure_of(NonFiniteLossError("digit", 3, math.nan)), {"kind": "bug", "message": "of an earlier version", "cure": "none"}):
        run = store.create(config(), columns=held_by_us("cpu"))
        store.end(run.id, RunStatus.FAILED, {"trace": "", **failure})
        ids.append(run.id)
    write_archive(store, [store.get(run_id) for run_id in ids], tmp_path / "runs.zip")
    assert read_archive(other, tmp_path / "runs.zip") == (ids, [])
    assert [facts_of(other.get(run_id).failure) for run_id in ids] == [facts_of(store.get(run_id).failure) for run_id in ids]
    assert other.get(ids[0]).failure == store.get(ids[0]).failure


def test_an_imported_run_is_not_resumed_or_forked(other, run, archive):
    read_archive(other, archive)
    for act in (lambda: resume_and_fork.train_on(other, run.id, 9), lambda: resume_and_fork.fork(other, run.id, 1, run.config)):
        with pytest.raises(NotPossibleError, match=r"no training state \(state.pt\): it came from an archive"):
            act()
    assert (other.folder(run.id) / "checkpoints" / "epoch_0001_step_00000002").is_dir()  # nothing is called damaged


def test_only_ended_runs_and_no_existing_file(store, config, run, tmp_path):
    waits = store.create(config())
    with pytest.raises(NotPossibleError, match="is queued; only runs that have ended"):
        write_archive(store, [run, waits], tmp_path / "runs.zip")
    (tmp_path / "runs.zip").write_text("mine")
    with pytest.raises(NotPossibleError, match="exists; give the name of a new file"):
        write_archive(store, [run], tmp_path / "runs.zip")
    assert (tmp_path / "runs.zip").read_text() == "mine"


def rewritten(archive, change):
    """The archive with other entries: ``change`` gets name -> content."""
    with zipfile.ZipFile(archive) as old:
        content = {name: old.read(name) for name in old.namelist()}
    change(content)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as new:
        for name, value in content.items():
            new.writestr(name, value)


def about(change):
    """A change of run.json."""

    def do(content):
        name = next(name for name in content if name.endswith("/run.json"))
        value = json.loads(content[name])
        change(value)
        content[name] = json.dumps(value)

    return do


def scalars(text):
    return lambda content: content.update({next(name for name in content if name.endswith("/scalars.jsonl")): text})


def a_file(name, value):
    """A further file of the run."""
    return lambda content: content.update({f"{min(content).partition('/')[0]}/files/{name}": value})


class Shout:
    def __reduce__(self):
        return print, ("it ran",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.update({"../../outside.txt": b"x"}), "which no archive of runs holds"),
        (lambda content: content.update({"/etc/outside.txt": b"x"}), "which no archive of runs holds"),
        (a_file("../../x.txt", b"x"), "which no archive of runs holds"),
        (a_file(".hidden.txt", b"x"), "which no archive of runs holds"),
        (a_file("state.pt", pickle.dumps(Shout())), "which no archive of runs"),
        (lambda content: content.update({"20260101-000000-0000/files/a.txt": b"x"}), "belongs to none of its runs"),
        (a_file("a.txt", b"0" * 2_000_000), "packed more than 200:1"),
        (lambda content: content.pop("archive.json"), "no archive of runs"),
        (lambda content: content.update({"archive.json": b"[]"}), "no archive of runs"),
        (lambda content: content.update({"archive.json": b'{"format": 99, "runs": []}'}), "newer version of the program"),
        (about(lambda run: run.update(id="20260101-000000-0000")), "an id, a state or a name"),
        (about(lambda run: run.update(status="running")), "an id, a state or a name"),
        (about(lambda run: run.update(title="two\nlines")), "an id, a state or a name"),
        (about(lambda run: run.update(step=-1)), "step: expected at least 0, found -1"),
        (about(lambda run: run.update(owner_pid=1)), "owner_pid: is unknown here; remove it"),
        (about(lambda run: run["config"].update(epochs="many")), "a config that this version cannot read"),
        (about(lambda run: run["info"]["tasks"]["digit"].update(main_metric="none")), "without its main metric"),
        (scalars("[1, 1.0, 1.0, 0, '']"), "cannot be read"),
        (scalars("[1, 1.0, 1.0, 0, \"0000000000000000\"]"), "cannot be read"),
        (scalars("[1, 1.0, 1.0, -1, \"000000000000000000000000000000000000000000000000\"]"), "cannot be read"),
        (scalars("[1, 1.0, 1.0, 0, \"00000000\"]"), "cannot be read"),
        (scalars("[" * 100_000), "cannot be read|packed more"),
    ],
)  # fmt: skip
def test_what_no_archive_holds_is_refused_and_nothing_stays(other, archive, tmp_path, capsys, change, said):
    rewritten(archive, change)
    with pytest.raises(DataError, match=said):
        read_archive(other, archive)
    assert other.runs() == []
    assert files(other.home / "runs") == {}
    assert not (tmp_path / "outside.txt").exists()
    assert "it ran" not in capsys.readouterr().out


def test_a_link_and_a_broken_file_are_refused(other, archive, run):
    with zipfile.ZipFile(archive, "a") as file:
        entry = zipfile.ZipInfo(f"{run.id}/files/link.txt")
        entry.external_attr = 0o120777 << 16
        file.writestr(entry, "/etc/passwd")
    with pytest.raises(DataError, match="which no archive of runs holds"):
        read_archive(other, archive)
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(DataError, match="is no archive of runs, or is damaged"):
        read_archive(other, archive)


def test_too_large_for_the_disk_or_with_too_many_entries(other, archive, monkeypatch):
    usage = shutil.disk_usage(other.home)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
        with pytest.raises(DataError, match=r"GB are free. Free some space. Nothing was imported."):
            read_archive(other, archive)
    monkeypatch.setattr(archive_reading, "MOST_ENTRIES", 3)
    with pytest.raises(DataError, match="entries; at most 3 are read"):
        read_archive(other, archive)


def test_a_store_that_fails_while_a_run_is_taken_in_keeps_no_part_of_it(other, archive, monkeypatch):
    def fail(*_):
        raise StoreError("the disk is full")

    monkeypatch.setattr(archive_reading, "compute_results", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        read_archive(other, archive)
    assert (other.runs(), files(other.home / "runs")) == ([], {})


def test_pruning_chooses_ended_unpinned_runs_of_no_study(store, config, run):
    made = {name: store.create(config(name), columns=held_by_us("cpu")) for name in ("pinned", "studied", "failed", "active", "archived")}
    for name in ("pinned", "studied", "failed", "archived"):
        store.append(made[name].id, RunStarted(4, INFO))
        store.append(made[name].id, RunEnded("failed" if name == "failed" else "finished", 2, 1.0, 3.0, 1.0))
    actions.pin(store, made["pinned"].id)
    actions.archive(store, made["archived"].id)
    with store.database.write() as connection:
        study = {"id": "study-1", "kind": "claim", "title": "", "created_at": 0, "state": "new", "base": "{}", "settings": "{}", "seeds": "[]"}
        connection.execute(schema.studies.insert().values(**study))
        connection.execute(schema.study_runs.insert().values(study_id="study-1", cell="a", seed=0, run_id=made["studied"].id))

    def names(**chosen):
        return [each.run.name for each in prunable(store, **chosen)]

    assert names() == ["archived", "failed", "moved"]
    assert names(statuses=["failed"]) == ["failed"]
    assert names(archived_only=True) == ["archived"]
    assert names(keep=2) == ["moved"]
    assert names(older_than=1.0) == []


def test_pruning_counts_what_no_fork_shares(store, run):
    def size():
        return next(each.size for each in prunable(store) if each.run.id == run.id)

    content = files(store.folder(run.id))
    scalars = 8 * 5  # five values
    assert size() == sum(map(len, content.values())) + scalars
    os.link(store.folder(run.id) / "probes" / "targets.npz", store.home / "shared.npz")
    assert size() == sum(map(len, content.values())) + scalars - len(b"arrays")


def test_the_commands(store, run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MTL_HOME", str(store.home))
    out = tmp_path / "one.zip"
    assert main(["runs", "export", run.id, "--out", str(out)]) == 0
    assert f"{out}: 1 run, {megabytes(out.stat().st_size)} MB" in capsys.readouterr().out
    assert main(["runs", "prune"]) == 2
    assert "say which runs" in capsys.readouterr().err
    assert main(["runs", "prune", "--keep", "1", "--yes"]) == 0
    assert "no run matches; nothing was deleted" in capsys.readouterr().out
    assert main(["runs", "prune", "--status", "finished"]) == 2
    said = capsys.readouterr().err
    assert run.id in said
    assert f"1 run, about {megabytes(prunable(store)[0].size)} MB" in said
    assert "add --yes" in said
    assert len(store.runs()) == 1
    assert main(["runs", "prune", "--status", "finished", "--yes"]) == 0
    assert (store.runs(), store.folder(run.id).exists()) == ([], False)
    assert main(["runs", "import", str(out)]) == 0
    assert main(["runs", "import", str(out)]) == 0
    assert capsys.readouterr().out.endswith(f"imported {run.id}\n{run.id}  is in the store already\n")
    with store.database.read() as connection:
        assert connection.execute(select(schema.run_facts.c.name)).scalars().all() == ["moved"]
