"""A run is measured, predicted, exported and forked on the imported set that it was trained on, or not at all."""

import pytest
from imported_sets import config_on, import_as, pictures

from mtl_core.__main__ import main
from mtl_core.data import open_source_of_run
from mtl_core.data.imports import delete
from mtl_core.data.imports.pinned_set import PIN
from mtl_core.errors import DataError
from mtl_core.exports.export_source import ExportSource
from mtl_core.runs.archives.archive_reading import read_archive
from mtl_core.runs.archives.run_archive import write_archive
from mtl_core.runs.evaluations import evaluations
from mtl_core.runs.executor import execute
from mtl_core.runs.resume_and_fork import fork, fork_config
from mtl_core.runs.status import RunStatus
from mtl_core.runs.store import open_store

OTHER = "the data set 'days' is not the one that this run was made for"


@pytest.fixture
def finished(store, tmp_path, monkeypatch, one_thread):
    """A run that has trained on the set of the files in ``tmp_path / "first"``."""
    monkeypatch.setenv("MTL_HOME", str(store.home))
    import_as(store, pictures(tmp_path / "first"))
    run = execute(store, store.create(config_on("days")).id)
    assert run.status == RunStatus.FINISHED, run.failure
    return run


def test_nothing_of_a_run_is_measured_on_data_that_took_its_sets_name(store, finished, tmp_path, capsys):
    assert main(["evaluate", finished.id]) == 0
    [before] = evaluations(store.folder(finished.id))
    delete("days", store.home)
    import_as(store, pictures(tmp_path / "second", seed=1))
    capsys.readouterr()
    assert main(["evaluate", finished.id, "--split", "train"]) == 2
    assert OTHER in capsys.readouterr().err
    assert [found.report for found in evaluations(store.folder(finished.id))] == [before.report]
    source = ExportSource(store, finished)
    doors = (
        lambda: source.val,
        lambda: source.val_files,
        lambda: fork(store, finished.id, 1, fork_config(finished, 1, ["epochs=2"])),
        lambda: open_source_of_run(finished.config, store.folder(finished.id)),
    )
    for door in doors:
        with pytest.raises(DataError, match=OTHER):
            door()
    assert store.count() == 1
    delete("days", store.home)
    import_as(store, tmp_path / "first")  # the same files are the same data
    assert main(["evaluate", finished.id, "--split", "train"]) == 0
    assert len(source.val_files) == len(source.val[0]) > 0


def test_a_run_from_an_archive_knows_its_data(store, finished, tmp_path, monkeypatch, capsys):
    write_archive(store, [finished], tmp_path / "runs.zip")
    there = open_store(tmp_path / "there")
    read_archive(there, tmp_path / "runs.zip")
    monkeypatch.setenv("MTL_HOME", str(there.home))
    assert main(["evaluate", finished.id]) == 2
    said = "unknown imported data set 'days'. Available: none. The run was made for that set: import its files again under this name"
    assert said in capsys.readouterr().err
    import_as(there, pictures(tmp_path / "second", seed=1))
    assert main(["evaluate", finished.id]) == 2
    assert OTHER in capsys.readouterr().err


def test_a_run_without_the_note_is_measured_as_before(store, finished, tmp_path):
    (store.folder(finished.id) / PIN).unlink()
    delete("days", store.home)
    import_as(store, pictures(tmp_path / "second", seed=1))
    assert main(["evaluate", finished.id]) == 0
