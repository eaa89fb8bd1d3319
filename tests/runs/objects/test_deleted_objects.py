"""Runs that are deleted, archived, forked and pruned have their objects deleted or taken along."""

import pytest
from object_stores import checkpoint, end, objects_of, one_place

from mtl_core.errors import NotPossibleError
from mtl_core.runs import actions, resume_and_fork
from mtl_core.runs.archives.archive_reading import read_archive
from mtl_core.runs.archives.pruning import prunable
from mtl_core.runs.archives.run_archive import write_archive
from mtl_core.runs.objects import pointers
from mtl_core.runs.objects.unsent_marks import UnsentMark
from mtl_core.training.checkpoint_files import check_files


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
