"""Artifacts of runs in an object store: two machines with a folder each, on one database. On S3 where moto's server is installed."""

import json
import os
import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from evidence import brief
from object_stores import Killed, Machine, S3Server, checkpoint, machines, objects_of, without_proxies
from sqlalchemy import update

from mtl_core.__main__ import main
from mtl_core.errors import NotPossibleError, RunTakenError, StoreError, UnreachableObjectsError
from mtl_core.events import Control
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.alerts.thresholds import add_threshold, thresholds
from mtl_core.runs.archives.archive_reading import read_archive
from mtl_core.runs.archives.pruning import prunable
from mtl_core.runs.archives.run_archive import write_archive
from mtl_core.runs.claims import claim
from mtl_core.runs.executor import execute
from mtl_core.runs.looks import looks, note_look
from mtl_core.runs.objects import background_sync, object_artifacts, pointers
from mtl_core.runs.objects.unsent_marks import UnsentMark, marked_runs
from mtl_core.runs.process_singletons import process_slot
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.sql import schema
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store
from mtl_core.training.checkpoint_files import check_files, read_index
from tests.runs.test_store import StoreContract

PLACES = ["memory", "file", "s3"]


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    if not S3Server.is_installed():
        pytest.skip("needs s3fs and moto's server")
    with (tmp_path_factory.mktemp("s3") / "log").open("w") as log:
        server = S3Server(log)
        yield server
        server.stop()


@pytest.fixture(params=PLACES)
def url(request, tmp_path, monkeypatch):
    """The address of an empty place for objects."""
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/runs"
    if request.param == "file":
        return f"file://{tmp_path / 'objects'}"
    server = request.getfixturevalue("s3")
    for name in without_proxies():
        monkeypatch.delenv(name)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return server.new_bucket()


one_place = pytest.mark.parametrize("url", ["memory"], indirect=True)


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch):
    monkeypatch.setattr(object_artifacts, "FRESH_SECONDS", -1.0)
    monkeypatch.setattr(object_artifacts, "AWAY_SECONDS", -1.0)


@pytest.fixture
def two(tmp_path, url):
    return machines(tmp_path, url)


@pytest.fixture
def held(two, config):
    """A run that the first machine trains, with its token."""
    run = two[0].create(config("a run"))
    return run.id, claim(two[0], run.id, "cpu")


def end(store, run_id, status="finished"):
    with store.database.write() as connection:
        connection.execute(update(schema.runs).where(schema.runs.c.id == run_id).values(status=status, finished_at=1.0))


def log_of(store, run_id):
    return [line.text for line in store.log(run_id)]


class TestStoreWithObjects(StoreContract):
    """The contract of every store, with the artifacts in an object store."""

    @pytest.fixture
    def store(self, tmp_path):
        return machines(tmp_path, f"memory://{uuid.uuid4().hex}", count=1)[0]

    def opened_again(self, store):
        return Machine(store.home, store.database, store.bucket.url)

    def test_a_new_run_waits_with_its_config_beside_it(self, store, config):
        run = store.create(config("mine", epochs=7))
        assert (store.folder(run.id) / "config.yaml").read_text(encoding="utf-8") == config("mine", epochs=7).to_yaml()
        assert {path.name for path in store.folder(run.id).iterdir() if path.name.startswith(".")} == {".objects.json", ".objects.lock"}


def test_another_machine_reads_what_one_has_made(two, held):
    here, there = two
    run_id, token = held
    (here.folder(run_id) / "probes").mkdir()
    (here.folder(run_id) / "probes" / "epoch_0001.npz").write_bytes(b"pictures")
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    assert not there.place(run_id).exists()
    read = there.files(there.folder(run_id).name)
    heavy = {f"checkpoints/{name}/model.safetensors", f"checkpoints/{name}/state.pt"}
    made = here.files(run_id)
    assert read == {path: content for path, content in made.items() if path not in heavy}  # pages do not fetch networks
    there.artifacts.bring(run_id, lambda path: path.endswith("model.safetensors"))
    assert there.files(run_id).keys() == made.keys() - {f"checkpoints/{name}/state.pt"}
    there.artifacts.bring(run_id, lambda path: True)
    assert there.files(run_id) == made
    check_files(there.place(run_id), name)


def test_only_what_has_changed_is_sent_and_what_was_deleted_goes(two, held):
    here, there = two
    run_id, token = held
    first, second = checkpoint(here.folder(run_id), 1), checkpoint(here.folder(run_id), 2)
    here.artifacts.keep(run_id, token)
    before = objects_of(here)
    here.artifacts.keep(run_id, token)
    assert objects_of(here) == before
    there.artifacts.bring(run_id, lambda path: path.endswith("state.pt"))
    third = checkpoint(here.folder(run_id), 3)  # the first is not named any more
    assert not (here.place(run_id) / "checkpoints" / first).exists()
    here.artifacts.keep(run_id, token)
    kept = {name.split("/")[2] for name in objects_of(here) if "/checkpoints/epoch" in name}
    assert kept == {second, third}
    assert len(objects_of(here)) == len(before)
    there.folder(run_id)
    assert {path.name for path in (there.place(run_id) / "checkpoints").iterdir()} == {"index.json", second, third}


def test_a_machine_that_resumed_a_run_drops_checkpoints_that_it_never_fetched(two, held):
    here, there = two
    run_id, token = held
    first = checkpoint(here.folder(run_id), 1)
    checkpoint(here.folder(run_id), 2)
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id, "interrupted")
    resume(there, run_id)
    token = claim(there, run_id, "cpu")
    there.artifacts.refresh(run_id)
    assert not (there.place(run_id) / "checkpoints" / first / "state.pt").exists()
    checkpoint(there.place(run_id), 3)
    there.artifacts.keep(run_id, token)
    assert not any(first in name for name in objects_of(there))


def test_a_kill_before_the_pointers_leaves_the_checkpoint_before(two, held):
    """Objects are written whole, then the pointers change: another machine never sees a part."""
    here, there = two
    run_id, token = held
    first = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    before = objects_of(here)
    for sent in range(5):  # model, state, meta, index: some of the second checkpoint's objects are there
        if sent == 0:
            second = checkpoint(here.folder(run_id), 2)
        here.bucket.dies_after = sent
        if sent < 4:
            with pytest.raises(Killed):
                here.artifacts.keep(run_id, token)
        with there.artifacts.training(run_id, "another", here.get(run_id).config):
            assert read_index(there.place(run_id))["last"] == first
            check_files(there.place(run_id), first)
        UnsentMark.of(there.artifacts.runs, run_id).drop()
    here.bucket.dies_after = None
    end(here, run_id, "interrupted")
    assert marked_runs(here.artifacts.runs) == [run_id]
    assert here.artifacts.send_waiting() == [(run_id, "")]
    assert marked_runs(here.artifacts.runs) == []
    there.artifacts.bring(run_id, lambda path: True)
    assert read_index(there.place(run_id))["last"] == second
    check_files(there.place(run_id), second)
    assert len(objects_of(here)) == len(before) + 3  # what the attempts left is gone


@one_place
def test_a_kill_after_the_pointers_loses_nothing(two, held, monkeypatch):
    here, there = two
    run_id, token = held
    name = checkpoint(here.folder(run_id), 1)

    def killed(self, *arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.runs.objects.folder_sending.FolderSending.note", killed)
        with pytest.raises(Killed):
            here.artifacts.keep(run_id, token)
    before = objects_of(here)
    end(here, run_id)
    assert here.artifacts.send_waiting() == [(run_id, "")]
    there.artifacts.bring(run_id, lambda path: True)
    check_files(there.place(run_id), name)
    assert set(objects_of(here)) - set(before) <= {path for path in objects_of(here) if "index.json" in path or "log.txt" in path}


@one_place
def test_without_the_object_store_nothing_is_lost_and_the_log_says_so(two, held):
    here, there = two
    run_id, token = held
    here.bucket.is_away = True
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    here.artifacts.keep(run_id, token)
    said = [text for text in log_of(here, run_id) if "no route to host" in text]
    assert len(said) == 1
    assert said[0].startswith("what this run makes is kept on ")
    assert "no route to host" in here.artifacts.problem
    check_files(here.place(run_id), name)
    end(here, run_id)
    assert [problem.partition(": ")[2] for _, problem in here.artifacts.send_waiting()] == ["no route to host"]
    there.folder(run_id)
    assert not (there.place(run_id) / "checkpoints").exists()
    here.bucket.is_away = False
    assert here.artifacts.send_waiting() == [(run_id, "")]
    assert here.artifacts.problem == ""
    assert log_of(here, run_id)[-1].endswith("is in the object store now: 5 files")  # with log.txt
    there.artifacts.bring(run_id, lambda path: True)
    check_files(there.place(run_id), name)


@one_place
def test_without_the_object_store_a_page_shows_what_is_here_and_a_new_run_is_refused(two, held, config):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    there.folder(run_id)
    before = there.files(run_id)
    here_again = checkpoint(here.folder(run_id), 2)
    here.artifacts.keep(run_id, token)
    there.bucket.is_away = True
    assert there.files(there.folder(run_id).name) == before
    assert "no route to host" in there.artifacts.problem
    with pytest.raises(UnreachableObjectsError, match="no route to host"):
        there.artifacts.bring(run_id, lambda path: here_again in path)
    count = there.count()
    with pytest.raises(UnreachableObjectsError, match="no route to host"):
        there.create(config())
    assert there.count() == count
    assert [path.name for path in there.artifacts.runs.glob("2*")] == [run_id]


@one_place
def test_a_run_that_cannot_be_fetched_is_interrupted_not_begun_anew(two, held, engine):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id, "interrupted")
    resume(there, run_id)
    there.bucket.is_away = True
    run = execute(there, run_id)
    assert (run.status, run.step) == (RunStatus.INTERRUPTED, 0)
    assert any(text.startswith("interrupted: the object store") for text in log_of(there, run_id))


def test_a_run_resumed_on_another_machine_is_bit_identical(two, undisturbed, one_thread):
    here, there = two
    here.cache = there.cache = undisturbed.store.cache
    run_id = here.create(brief()).id
    control = Control()

    def stop_in_the_third_epoch(event):
        if type(event).__name__ == "CheckpointSaved" and event.epoch == 2:
            control.stop("asked to stop")

    assert execute(here, run_id, control, stop_in_the_third_epoch).status == RunStatus.STOPPED
    assert marked_runs(here.artifacts.runs) == []
    resume(there, run_id)
    assert execute(there, run_id).status == RunStatus.FINISHED
    assert marked_runs(there.artifacts.runs) == []
    here.artifacts.bring(run_id, lambda path: True)
    for machine in (there, here):
        undisturbed.assert_same(machine, run_id)
    assert here.files(run_id) == there.files(run_id)


@one_place
def test_a_damaged_object_is_never_read_as_a_checkpoint(two, held):
    here, there = two
    run_id, token = held
    first = checkpoint(here.folder(run_id), 1)
    second = checkpoint(here.folder(run_id), 2)
    here.artifacts.keep(run_id, token)
    files, root = here.bucket._files()
    changed = next(name for name in objects_of(here) if f"{second}/model.safetensors" in name)
    files.pipe_file(f"{root}/{changed}", b"model.safetensors of epoch 9")
    with pytest.raises(StoreError, match="is not what was sent"):
        there.artifacts.bring(run_id, lambda path: second in path)
    assert not (there.place(run_id) / "checkpoints" / second / "model.safetensors").exists()
    with there.artifacts.training(run_id, "another", here.get(run_id).config):  # training names it damaged, and goes on from the one before
        check_files(there.place(run_id), first)
        with pytest.raises(Exception, match="is not what was written"):
            check_files(there.place(run_id), second)


@one_place
def test_a_checkpoint_that_is_damaged_here_is_fetched_again_before_training(two, held):
    here, there = two
    run_id, token = held
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    config = here.get(run_id).config
    with there.artifacts.training(run_id, "another", config):
        pass
    file = there.place(run_id) / "checkpoints" / name / "model.safetensors"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[3] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with there.artifacts.training(run_id, "another", config):
        check_files(there.place(run_id), name)


@one_place
def test_a_trainer_whose_run_was_claimed_anew_changes_nothing(two, held):
    here, there = two
    run_id, token = held
    first = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    end(here, run_id, "interrupted")
    resume(there, run_id)
    claim(there, run_id, "cpu")
    checkpoint(here.place(run_id), 2)
    before = objects_of(here)
    with pytest.raises(RunTakenError):
        here.artifacts.keep(run_id, token)
    there.artifacts.bring(run_id, lambda path: True)
    assert read_index(there.place(run_id))["last"] == first
    here.artifacts.send_waiting()
    assert set(before) <= set(objects_of(here))


@one_place
def test_checkpoints_that_were_overtaken_are_kept_under_another_name(two, held):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    here.bucket.is_away = True
    lonely = checkpoint(here.place(run_id), 2, b" alone")
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id, "interrupted")
    resume(there, run_id)
    token = claim(there, run_id, "cpu")
    with there.artifacts.training(run_id, token, there.get(run_id).config):
        newest = checkpoint(there.place(run_id), 3)
        there.artifacts.keep(run_id, token, at_end=True)
    end(there, run_id)
    here.bucket.is_away = False
    assert "no longer held here" in dict(here.artifacts.send_waiting())[run_id]
    here.artifacts.bring(run_id, lambda path: True)
    kept = here.place(run_id) / "checkpoints"
    assert (kept / f"{lonely}.unsent" / "state.pt").read_bytes() == b"state.pt of epoch 2 alone"
    assert read_index(here.place(run_id))["last"] == newest
    check_files(here.place(run_id), newest)
    assert any(f"{lonely}.unsent" in text for text in log_of(here, run_id))
    here.artifacts.keep(run_id)
    assert not any(lonely in name for name in objects_of(here))


@one_place
def test_a_part_of_the_cache_that_is_removed_by_hand_is_fetched_again(two, held):
    here, there = two
    run_id, token = held
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    config = here.get(run_id).config
    with there.artifacts.training(run_id, "another", config):
        pass
    UnsentMark.of(there.artifacts.runs, run_id).drop()
    shutil.rmtree(there.place(run_id) / "checkpoints")
    before = objects_of(here)
    there.artifacts.keep(run_id)  # as after an evaluation
    assert objects_of(here) == before
    with there.artifacts.training(run_id, "another", config):
        assert read_index(there.place(run_id))["last"] == name
        check_files(there.place(run_id), name)


@one_place
def test_training_goes_on_while_the_object_store_is_away(two, held, engine, config):
    here, _ = two
    run_id = here.create(config("waits for nothing")).id
    here.bucket.is_away = True
    run = execute(here, run_id)
    assert (run.status, run.step) == (RunStatus.FINISHED, 4)
    assert len([text for text in log_of(here, run_id) if "is kept on" in text]) == 1
    assert marked_runs(here.artifacts.runs) == [run_id]
    here.bucket.is_away = False
    here.artifacts.background_sync.round()
    assert marked_runs(here.artifacts.runs) == []
    assert any(name.startswith(f"{run_id}/log.txt/") for name in objects_of(here))


@one_place
def test_what_is_set_elsewhere_reaches_the_machine_that_trains(two, held):
    here, there = two
    run_id, token = held
    with here.artifacts.training(run_id, token, here.get(run_id).config):
        add_threshold(there.folder(run_id), "val/digit/accuracy", True, 0.9)
        there.artifacts.keep(run_id)
        here.artifacts.background_sync.round()
        assert [each.bound for each in thresholds(here.place(run_id))] == [0.9]


def test_the_background_sync_works_in_the_background_and_goes_on_after_an_error(monkeypatch):
    monkeypatch.setattr(background_sync, "ROUND_SECONDS", 0.01)
    done, calls = threading.Event(), []

    def send():
        calls.append(threading.current_thread().name)
        if len(calls) == 1:
            raise StoreError("the object store is away")
        done.set()

    own = background_sync.BackgroundSync(lambda: calls.clear(), lambda run_id: None, send)
    own.start()
    assert done.wait(60)
    assert calls[:2] == ["mtl-background-sync", "mtl-background-sync"]


@one_place
def test_who_does_not_train_overwrites_nothing_that_others_have_changed(two, held):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    there.folder(run_id)
    (there.place(run_id) / "checkpoints" / "index.json").write_text("{}")
    second = checkpoint(here.folder(run_id), 2)
    here.artifacts.keep(run_id, token)
    there.artifacts.keep(run_id)
    there.artifacts.bring(run_id, lambda path: True)
    assert json.loads((there.place(run_id) / "checkpoints" / "index.json").read_text())["last"] == second


@one_place
def test_a_place_that_does_not_exist_is_told(two, config, monkeypatch):
    """S3 answers 404 for a bucket that does not exist, as for an object."""
    here, _ = two

    class NoBucket:
        def pipe_file(self, *arguments):
            raise FileNotFoundError("Not Found")

        put_file = pipe_file

    monkeypatch.setattr(here.bucket, "_files", lambda: (NoBucket(), "bucket"))
    with pytest.raises(UnreachableObjectsError, match="there is no such place"):
        here.create(config())


def test_the_command_sends_what_was_made_before_there_was_an_object_store(tmp_path, monkeypatch, capsys, config):
    store = open_store(tmp_path / "home")
    run = store.create(config())
    name = checkpoint(store.folder(run.id), 1)
    monkeypatch.setenv("MTL_HOME", str(tmp_path / "home"))
    assert main(["runs", "send"]) == 2
    assert "set MTL_ARTIFACTS_URL" in capsys.readouterr().err
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{tmp_path / 'objects'}")
    assert main(["runs", "send"]) == 0
    assert capsys.readouterr().out == "whole in the object store: 1 of 1 runs\n"
    assert (tmp_path / "objects" / run.id / "checkpoints" / name / "state.pt").is_dir()
    (tmp_path / "objects").chmod(0o700)
    (tmp_path / "objects").rename(tmp_path / "elsewhere")
    (tmp_path / "objects").write_text("a file")
    note_look(store.place(run.id), "evaluated", 1)
    assert main(["runs", "send"]) == 1
    out, err = capsys.readouterr()
    assert out == "whole in the object store: 0 of 1 runs\n"
    assert run.id in err
    assert "cannot be used" in err


def test_deleting_a_run_deletes_its_objects(two, held, config):
    here, there = two
    run_id, token = held
    other = here.create(config("stays")).id
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    there.folder(run_id)
    end(here, run_id)
    actions.delete_run(there, run_id)
    assert {name.partition("/")[0] for name in objects_of(here)} == {other}
    assert not there.place(run_id).exists()
    UnsentMark.of(here.artifacts.runs, run_id).drop()
    here.artifacts.remove_deleted()
    assert not here.place(run_id).exists()
    assert here.place(other).exists()


@one_place
def test_objects_of_a_run_that_was_deleted_without_the_object_store_go_later(two, held):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id)
    there.bucket.is_away = True
    actions.delete_run(there, run_id)
    assert there.find(run_id) is None
    assert objects_of(here)
    here.artifacts.remove_deleted()
    assert objects_of(here) == []
    with here.database.read() as connection:
        assert pointers.runs_without_row(connection) == []


@one_place
def test_archives_forks_and_pruning_see_all_files(two, held, tmp_path):
    here, there = two
    run_id, token = held
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id)
    sizes = sum(len(content) for path, content in here.files(run_id).items() if path != "log.txt")
    (found,) = prunable(there)
    assert found.run.id == run_id
    assert found.size >= sizes
    assert not there.place(run_id).exists()  # a look at what pruning frees fetches nothing
    fork = resume_and_fork.fork(there, run_id, 1, resume_and_fork.fork_config(there.get(run_id), 1, ["epochs=5"]))
    here.artifacts.bring(fork.id, lambda path: True)
    check_files(here.place(fork.id), name)
    write_archive(there, [there.get(run_id)], tmp_path / "runs.zip")
    actions.delete_run(there, run_id)
    assert read_archive(there, tmp_path / "runs.zip") == ([run_id], [])
    here.artifacts.bring(run_id, lambda path: True)
    check_files(here.place(run_id), name, ["model.safetensors"])
    with pytest.raises(NotPossibleError, match="have no training state"):
        resume_and_fork.train_on(here, run_id, 9)


@one_place
def test_a_run_can_be_trained_on_where_its_state_was_never_fetched(two, held):
    here, there = two
    run_id, token = held
    checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token, at_end=True)
    end(here, run_id)
    assert resume_and_fork.train_on(there, run_id, 9).epochs == 9
    assert "epochs: 9" in (here.folder(run_id) / "config.yaml").read_text()


@one_place
def test_two_machines_write_on_one_run(two, held):
    """Looks at the test images are lines of one file; thresholds are a file each."""
    here, there = two
    run_id, token = held
    note_look(here.folder(run_id), "evaluated", 1)
    here.artifacts.keep(run_id, token)
    note_look(there.folder(run_id), "predicted", 2)
    note_look(here.folder(run_id), "predicted", 3)
    add_threshold(there.folder(run_id), "val/digit/accuracy", True, 0.9)
    there.artifacts.keep(run_id)
    here.artifacts.keep(run_id, token)
    there.folder(run_id)
    for machine in (here, there):
        assert {(look.what, look.epoch) for look in looks(machine.folder(run_id))} == {("evaluated", 1), ("predicted", 2), ("predicted", 3)}
        assert [each.bound for each in thresholds(machine.folder(run_id))] == [0.9]


@one_place
def test_an_export_is_sent_when_it_is_finished(two, held):
    here, _ = two
    run_id, token = held
    place = here.folder(run_id) / "exports" / "report"
    (place / "half").mkdir(parents=True)
    (place / "half" / "report.html").write_bytes(b"half")
    (place / "whole").mkdir()
    (place / "whole" / "report.html").write_bytes(b"whole")
    (place / "about.json").write_text(json.dumps({"folder": "whole", "file": "report.html"}))
    here.artifacts.keep(run_id, token)
    sent = {name.rpartition("/")[0].partition("/")[2] for name in objects_of(here) if "/exports/" in name}
    assert sent == {"exports/report/about.json", "exports/report/whole/report.html"}


@one_place
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("../../outside", "{run}/x"),
        ("/etc/outside", "{run}/x"),
        ("checkpoints/../../outside", "{run}/x"),
        ("a\\b", "{run}/x"),
        (".objects.json", "{run}/x"),
        ("log\n.txt", "{run}/x"),
        ("probes/x.npz", "20200101-000000-abcd/x"),
        ("probes/x.npz", "{run}/../other"),
    ],
)
def test_hostile_names_are_refused(two, held, path, name):
    here, there = two
    run_id, _ = held
    with here.database.write() as connection:
        made = pointers.Pointer(name.format(run=run_id), "0" * 64, 1)
        pointers.write_pointers(connection, run_id, {path: made})
    before = objects_of(here)
    with pytest.raises(StoreError, match="which no version of this program writes"):
        there.artifacts.bring(run_id, lambda path: True)
    end(here, run_id)
    actions.delete_run(there, run_id)  # and no object of another run is deleted
    assert objects_of(here) == before
    assert {each.name for each in there.home.rglob("*")} <= {"runs"}


@one_place
def test_a_link_in_the_cache_is_not_written_through(two, held, tmp_path):
    here, there = two
    run_id, token = held
    (here.folder(run_id) / "probes").mkdir()
    (here.folder(run_id) / "probes" / "targets.npz").write_bytes(b"arrays")
    here.artifacts.keep(run_id, token)
    outside = tmp_path / "outside"
    outside.mkdir()
    there.place(run_id).mkdir(parents=True)
    (there.place(run_id) / "probes").symlink_to(outside)
    with pytest.raises(StoreError, match="leads out of the run's folder"):
        there.artifacts.bring(run_id, lambda path: True)
    assert list(outside.iterdir()) == []


def test_the_address_is_a_setting(tmp_path, monkeypatch, config):
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{tmp_path / 'objects'}/")
    store = open_store(tmp_path / "home")
    run = store.create(config())
    assert {path.relative_to(tmp_path / "objects").parts[:2] for path in (tmp_path / "objects").rglob("*") if path.is_file()} == {
        (run.id, "config.yaml")
    }
    assert open_store(tmp_path / "home").artifacts is store.artifacts


def test_a_store_with_objects_is_not_opened_without_their_address(tmp_path, monkeypatch):
    """Else checkpoints that are not on this machine would count as damaged."""
    monkeypatch.setenv("MTL_ARTIFACTS_URL", f"file://{tmp_path / 'objects'}")
    open_store(tmp_path / "home")
    monkeypatch.delenv("MTL_ARTIFACTS_URL")
    process_slot("swept stores").pop(str(tmp_path / "home"))  # as in another process
    for _ in range(2):
        with pytest.raises(StoreError, match="MTL_ARTIFACTS_URL is not set"):
            open_store(tmp_path / "home")


def test_the_address_is_shown_without_its_password(two):
    from mtl_core.runs.objects.bucket import Bucket

    bucket = Bucket("nonsense://user:secret@host/runs")
    with pytest.raises(UnreachableObjectsError) as caught:
        bucket.write("a", b"")
    assert "nonsense://host/runs" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_without_the_setting_nothing_of_it_is_loaded(tmp_path):
    code = (
        "import sys; from mtl_core.runs.store import open_store; store = open_store(sys.argv[1])\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('fsspec', 'filelock', 's3fs') or 'object_artifacts' in name))\n"
        "import sqlite3; print(sorted(row[0] for row in sqlite3.connect(store.home / 'store.sqlite').execute("
        "\"select name from sqlite_master where name = 'artifacts'\")))"
    )
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MTL_")}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "home")], capture_output=True, text=True, cwd=root, env=clean, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]
