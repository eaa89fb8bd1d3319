"""Objects and files of the cache that are damaged or gone: never read as a checkpoint, and fetched again."""

import os
import shutil

import pytest
from object_stores import checkpoint, objects_of, one_place

from mtl_core.errors import StoreError
from mtl_core.runs.objects.unsent_marks import UnsentMark
from mtl_core.training.checkpoint_files import check_files, read_index


@pytest.fixture
def fetched(two, held):
    """A run whose checkpoint one machine has sent and the other has fetched for training: the other machine, the run's id, config and checkpoint."""
    here, there = two
    run_id, token = held
    name = checkpoint(here.folder(run_id), 1)
    here.artifacts.keep(run_id, token)
    config = here.get(run_id).config
    with there.artifacts.training(run_id, "another", config):
        pass
    return there, run_id, config, name


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
def test_a_checkpoint_that_is_damaged_here_is_fetched_again_before_training(fetched):
    there, run_id, config, name = fetched
    file = there.place(run_id) / "checkpoints" / name / "model.safetensors"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[3] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with there.artifacts.training(run_id, "another", config):
        check_files(there.place(run_id), name)


@one_place
def test_a_part_of_the_cache_that_is_removed_by_hand_is_fetched_again(fetched):
    there, run_id, config, name = fetched
    UnsentMark.of(there.artifacts.runs, run_id).drop()
    shutil.rmtree(there.place(run_id) / "checkpoints")
    before = objects_of(there)
    there.artifacts.keep(run_id)  # as after an evaluation
    assert objects_of(there) == before
    with there.artifacts.training(run_id, "another", config):
        assert read_index(there.place(run_id))["last"] == name
        check_files(there.place(run_id), name)
