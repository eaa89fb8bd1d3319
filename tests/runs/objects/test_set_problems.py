"""What is said of data sets that cannot be sent, fetched or removed from the object store: how long, and with which cure."""

import errno
import os

import pytest
from imported_sets import arrays_of, config_on, import_as, on, pictures
from object_stores import Killed, objects_of, one_place

from mtl_core.data import open_source
from mtl_core.data.imports import delete
from mtl_core.data.prepare import prepare
from mtl_core.errors import DISK_FULL, StoreError, UnreachableObjectsError
from mtl_core.runs.objects import fetched_sets
from mtl_core.runs.objects.bucket import Bucket
from mtl_core.runs.objects.pointers import shared_sets
from mtl_core.runs.sets.set_states import set_problems


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "mine")


@one_place
def test_what_could_not_be_removed_is_told_until_it_is(two, folder, tmp_path, monkeypatch):
    """Looking at the sets of other machines does not clear it, and each round tries again."""
    here, _ = two
    import_as(here, folder)
    import_as(here, pictures(tmp_path / "others", seed=1), "nights")
    [left] = {name.split("/")[0].removeprefix("description-") for name in objects_of(here) if name.startswith("description-")} - {
        shared.id for name, shared in shared_of(here).items() if name == "nights"
    }
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "remove", refused)
        delete("days", here.home)
        assert here.artifacts.sets.problems == {"": "the object store refuses"}
        here.artifacts.sets._looked = -fetched_sets.FRESH_SECONDS
        here.artifacts.sets.refresh()
        here.artifacts.background_sync.round()
        assert set_problems(here) == ["the object store refuses"]
        assert any(left in name for name in objects_of(here))
    here.artifacts.background_sync.round()
    assert set_problems(here) == []
    assert not any(left in name for name in objects_of(here))


@one_place
def test_what_a_cut_attempt_has_left_is_told_until_it_is_removed(two, folder, monkeypatch):
    here, _ = two
    here.bucket.dies_after = 6
    with pytest.raises(Killed):
        import_as(here, folder)
    here.bucket.dies_after = None
    assert objects_of(here)
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "remove", refused)
        delete("days", here.home)
        here.artifacts.sets._looked = -fetched_sets.FRESH_SECONDS
        here.artifacts.sets.refresh()
        assert set_problems(here) == ["the object store refuses"]
    here.artifacts.background_sync.round()
    assert (set_problems(here), objects_of(here)) == ([], [])


def refused(bucket, names):
    raise StoreError("the object store refuses")


def shared_of(machine):
    with machine.database.read() as connection:
        return shared_sets(connection)


def full(*arguments, **more):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@one_place
def test_a_full_disk_keeps_the_import_and_blames_no_object_store(two, folder, monkeypatch):
    here, there = two
    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.runs.objects.unsent_marks.write_text", full)
        import_as(here, folder)
        problem = f"the data set 'days' cannot be sent: No space left on device. Free some space in '{here.home / 'imports'}'"
        assert here.artifacts.sets.problems == {"days": problem}
        with pytest.raises(StoreError, match="cannot be sent: No space left on device"):
            here.create(config_on("days"))
    assert (here.artifacts.problem, objects_of(here)) == ("", [])
    run = here.create(config_on("days"))  # sends it
    assert here.artifacts.sets.problems == {}
    folder.rename(folder.with_name("elsewhere"))
    with monkeypatch.context() as patch:
        patch.setattr("fsspec.implementations.memory.MemoryFileSystem.get_file", full)
        there.artifacts.sets.refresh()
        assert "' cannot be written: No space left on device. Free some space" in there.artifacts.sets.problems["days"]
    there.artifacts.sets.refresh()
    assert there.artifacts.sets.problems == {}
    with monkeypatch.context() as patch:
        patch.setattr("fsspec.implementations.memory.MemoryFileSystem.get_file", full)
        with pytest.raises(StoreError, match="cannot be written: No space left on device"):
            on(there, monkeypatch, lambda: prepare(open_source(run.config.data), there.home / "data"))
    assert (arrays_of(there), there.artifacts.problem) == ({}, "")
    on(there, monkeypatch, lambda: prepare(open_source(run.config.data), there.home / "data"))
    assert arrays_of(there) == arrays_of(here)


@one_place
@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.EFBIG, "Free some space in '{folder}'"), (errno.EACCES, "Check '{file}'"), (errno.EIO, "Check '{folder}'")],
)
def test_a_file_that_cannot_be_read_or_written_is_told_with_its_cure(two, folder, monkeypatch, number, advice):
    """The last error names no file."""
    here, _ = two
    place = here.home / "imports"
    file = str(place / "days" / "set.json")

    def fails(*arguments, **more):
        raise OSError(number, os.strerror(number), *([] if number == errno.EIO else [file]))

    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.runs.objects.unsent_marks.write_text", fails)
        import_as(here, folder)
    advice = advice.format(folder=place, file=file)
    assert here.artifacts.sets.problems == {"days": f"the data set 'days' cannot be sent: {os.strerror(number)}. {advice}"}


@one_place
def test_a_full_disk_or_quota_of_this_machine_is_no_fault_of_the_object_store(two, tmp_path, monkeypatch):
    here, _ = two
    here.bucket.write("one", b"content")
    for number in DISK_FULL:
        with monkeypatch.context() as patch:
            patch.setattr("fsspec.implementations.memory.MemoryFileSystem.get_file", lambda *given, number=number, **more: _fail(number))
            with pytest.raises(StoreError, match="Free some space") as told:
                here.bucket.read("one", tmp_path / "one")
        assert not isinstance(told.value, UnreachableObjectsError)


def _fail(number):
    raise OSError(number, os.strerror(number))
