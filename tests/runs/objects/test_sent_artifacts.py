"""What one machine makes, another reads: what is sent, what is fetched, and what several machines write."""

import json
import threading
import uuid

import pytest
from evidence import brief
from object_stores import Machine, checkpoint, end, machines, objects_of, one_place

from mtl_core.errors import StoreError
from mtl_core.events import Control
from mtl_core.runs import resume_and_fork
from mtl_core.runs.alerts.thresholds import add_threshold, thresholds
from mtl_core.runs.claims import claim
from mtl_core.runs.executor import execute
from mtl_core.runs.looks import looks, note_look
from mtl_core.runs.objects import background_sync
from mtl_core.runs.objects.unsent_marks import marked_runs
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.status import RunStatus
from mtl_core.training.checkpoint_files import check_files
from tests.runs.test_store import StoreContract


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

    own = background_sync.BackgroundSync([calls.clear], lambda run_id: None, [send])
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
