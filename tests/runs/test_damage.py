"""Checkpoints that were damaged on disk: said in the log, put aside, never deleted; the run goes on from the one before it to the same end."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from evidence import BRIEF_STEPS, brief

from mtl_core.events import Control, EpochMetrics
from mtl_core.runs.jobs import execute
from mtl_core.runs.resume_and_fork import resume
from mtl_core.runs.store import open_store
from mtl_core.training.checkpoint_files import read_index, sha256

EPOCHS = 5


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


class Trap:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def trap(path):
    """Code in the place of the state, with a sum that fits: as somebody's store might have it."""
    torch.save({"optimizer": Trap(path.with_name("was_run"))}, path)
    meta = path.with_name("meta.json")
    content = json.loads(meta.read_text())
    content["sha256"][path.name] = sha256(path)
    meta.write_text(json.dumps(content))


def rubbish(path):
    path.write_bytes(b'{"format": [')


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, undisturbed):
    """A store with a run that was stopped in its fourth epoch; each test damages a copy of it."""
    store = open_store(tmp_path_factory.mktemp("stopped") / "home")
    store.cache = undisturbed.store.cache
    run, control = store.create(brief("dwa", epochs=EPOCHS)), Control()
    execute(store, run.id, control, lambda event: control.stop() if isinstance(event, EpochMetrics) and event.epoch == 3 else None)
    assert store.get(run.id).epoch == 3
    return store.home


@pytest.fixture
def store(stopped, home):
    shutil.copytree(stopped, home)
    return open_store(home)


@pytest.fixture
def interrupted(store, wholes):
    """The stopped run, and its checkpoints' folder."""
    (run,) = store.runs()
    return run, store.folder(run.id) / "checkpoints"


DAMAGES = [
    ("model.safetensors", flip),
    ("model.safetensors", empty),
    ("state.pt", flip),
    ("state.pt", truncate),
    ("state.pt", empty),
    ("state.pt", trap),
    ("meta.json", rubbish),
]


@pytest.mark.parametrize(("file", "damage"), DAMAGES, ids=[f"{file}-{damage.__name__}" for file, damage in DAMAGES])
def test_the_checkpoint_before_a_damaged_one_is_used(store, wholes, interrupted, file, damage):
    run, checkpoints = interrupted
    index = read_index(checkpoints.parent)
    damage(checkpoints / index["last"] / file)
    damaged = {path.name: path.read_bytes() for path in (checkpoints / index["last"]).iterdir()}
    resume(store, run.id)
    execute(store, run.id)
    warnings = [line.text for line in store.log(run.id) if line.level == "warning"]
    assert warnings[0].startswith(f"checkpoint {index['last']} is damaged and is kept under a name that ends in .damaged: ")
    assert file in warnings[0]
    assert warnings[1] == f"the run resumes from the checkpoint before it, {index['previous']}"
    aside = checkpoints / f"{index['last']}.damaged"
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == damaged
    aside.rename(checkpoints.parent / "aside")
    wholes.assert_same(store, run.id)


@pytest.mark.parametrize("damage", [empty, rubbish])
def test_a_damaged_index_is_made_anew(store, wholes, interrupted, damage):
    run, checkpoints = interrupted
    damage(checkpoints / "index.json")
    resume(store, run.id)
    execute(store, run.id)
    assert f"training continues at step {3 * BRIEF_STEPS:,} of {5 * BRIEF_STEPS:,}" in " ".join(line.text for line in store.log(run.id))
    wholes.assert_same(store, run.id)


def test_a_checkpoint_that_never_got_into_the_index_is_written_anew(store, wholes, interrupted):
    """Its process was killed in between; the settings may have changed since."""
    run, checkpoints = interrupted
    name = "epoch_0004_step_00000036"
    shutil.copytree(checkpoints / read_index(checkpoints.parent)["last"], checkpoints / name)
    resume(store, run.id)
    execute(store, run.id)
    wholes.assert_same(store, run.id)
    undisturbed = wholes.store.folder(wholes.of(run.config)) / "checkpoints" / name / "model.safetensors"
    assert (checkpoints / name / "model.safetensors").read_bytes() == undisturbed.read_bytes()


def test_without_one_that_can_be_read_the_run_fails_and_says_why(store, interrupted):
    run, checkpoints = interrupted
    names = [path.name for path in checkpoints.iterdir() if path.is_dir()]
    for name in names:
        flip(checkpoints / name / "state.pt")
    resume(store, run.id)
    failed = execute(store, run.id)
    assert (failed.status, failed.failure["kind"]) == ("failed", "training")
    assert failed.failure["message"].startswith("none of the run's checkpoints can be read. ")
    assert all(name in failed.failure["message"] for name in names)
    assert sorted(path.name for path in checkpoints.iterdir() if path.is_dir()) == sorted(f"{name}.damaged" for name in names)
    assert (failed.step, failed.epoch) == (3 * BRIEF_STEPS, 3)


def test_a_checkpoint_of_a_newer_version_is_left_alone(store, interrupted):
    run, checkpoints = interrupted
    name = read_index(checkpoints.parent)["last"]
    meta = checkpoints / name / "meta.json"
    meta.write_text(meta.read_text().replace('"format": 2', '"format": 99'))
    resume(store, run.id)
    failed = execute(store, run.id)
    assert (failed.status, failed.failure["kind"]) == ("failed", "training")
    assert "written by a newer version" in failed.failure["message"]
    assert (checkpoints / name).is_dir()
