"""Imported data sets in an object store that is away or damaged, and machines that die while they send or fetch: a set is whole or not there."""

import shutil

import pytest
from imported_sets import arrays_of, config_on, import_as, on, pictures, set_files
from object_stores import Killed, objects_of, one_place

from mtl_core.data import open_source
from mtl_core.data.imports import delete, imported
from mtl_core.data.prepare import prepare
from mtl_core.errors import StoreError, UnreachableObjectsError
from mtl_core.runs.executor import execute
from mtl_core.runs.objects.pointers import shared_sets
from mtl_core.runs.objects.unsent_marks import marked
from mtl_core.runs.status import RunStatus

FILES = 4 + 10  # of the description; of the arrays: meta.json, and images, targets and labels of each part


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "mine")


@pytest.fixture
def unsent(two, folder):
    """The two machines; the first has a set that it could not send."""
    two[0].bucket.is_away = True
    import_as(two[0], folder)
    two[0].bucket.is_away = False
    return two


def prepared(machine, monkeypatch):
    return on(machine, monkeypatch, lambda: prepare(open_source(config_on("days").data), machine.home / "data"))


def waiting(machine):
    return marked(machine.home / "imports", lambda owner: True)


def test_a_kill_while_sending_shows_no_part_and_leaves_nothing_behind(unsent, monkeypatch):
    here, there = unsent
    for sent in (0, 3, 4, 9, FILES - 1):  # within the description, before the arrays, within them, before the last
        here.bucket.dies_after = sent
        with pytest.raises(Killed):
            here.artifacts.sets.send_waiting()
        assert imported(there.home) == []
    here.bucket.dies_after = None
    assert here.artifacts.sets.send_waiting() == [("days", "")]
    assert waiting(here) == []
    assert len(objects_of(here)) == FILES  # what the attempts left is gone
    prepared(there, monkeypatch)
    assert set_files(there) == set_files(here)
    assert arrays_of(there) == arrays_of(here)


@one_place
def test_a_kill_after_the_pointers_loses_nothing(unsent, monkeypatch):
    here, there = unsent

    def killed(self, *arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.runs.objects.shared_sets.SharedSets._note_sent", killed)
        with pytest.raises(Killed):
            here.artifacts.sets.send_waiting()
    before = objects_of(here)
    assert [one.name for one in imported(there.home)] == ["days"]
    assert here.artifacts.sets.send_waiting() == [("days", "")]
    assert (waiting(here), objects_of(here)) == ([], before)


@one_place
def test_what_a_kill_has_left_of_a_set_that_was_deleted_then_goes(unsent):
    here, _ = unsent
    here.bucket.dies_after = 6
    with pytest.raises(Killed):
        here.artifacts.sets.send_waiting()
    assert objects_of(here)
    here.bucket.is_away = True
    delete("days", here.home)
    assert imported(here.home) == []
    here.bucket.is_away = False
    here.artifacts.background_sync.round()
    assert (waiting(here), objects_of(here)) == ([], [])


def test_a_kill_while_fetching_leaves_no_part(two, folder, monkeypatch):
    here, there = two
    import_as(here, folder)
    for read in range(4):
        there.bucket.dies_after_reads = read
        with pytest.raises(Killed):
            imported(there.home)
        assert not (there.home / "imports" / "days").exists()
    there.bucket.dies_after_reads = None
    assert [one.name for one in imported(there.home)] == ["days"]
    for read in (0, 5, 9):
        there.bucket.dies_after_reads = read
        with pytest.raises(Killed):
            prepared(there, monkeypatch)
        assert list((there.home / "data").glob("imported-*")) == []
    there.bucket.dies_after_reads = None
    prepared(there, monkeypatch)
    assert set_files(there) == set_files(here)
    assert arrays_of(there) == arrays_of(here)


@one_place
def test_what_a_killed_fetch_has_left_is_no_set_and_goes(two, folder):
    here, there = two
    import_as(here, folder)
    with here.database.read() as connection:
        left = there.home / "imports" / f".fetching-{shared_sets(connection)['days'].id}"
    shutil.copytree(here.home / "imports" / "days", left)
    (left / "report.csv").unlink()
    assert [one.name for one in imported(there.home)] == ["days"]
    assert not left.exists()
    assert set_files(there) == set_files(here)


def damage(machine, part):
    """Change one byte of the object whose name has this part."""
    files, root = machine.bucket._files()
    [name] = (name for name in objects_of(machine) if part in name)
    content = bytearray(files.cat_file(f"{root}/{name}"))
    content[-1] ^= 1
    files.pipe_file(f"{root}/{name}", bytes(content))


@one_place
def test_a_damaged_array_is_never_trained_on(two, folder, monkeypatch, engine):
    here, there = two
    import_as(here, folder)
    folder.rename(folder.with_name("elsewhere"))
    run_id = here.create(config_on("days")).id
    damage(here, "train/images.npy")
    ended = on(there, monkeypatch, lambda: execute(there, run_id))
    assert (ended.status, ended.step) == (RunStatus.FAILED, 0)
    assert "is not what was sent (another SHA-256)" in ended.failure["message"]
    assert arrays_of(there) == {}


@one_place
def test_a_damaged_array_is_made_again_where_the_files_are(two, folder, monkeypatch):
    here, _ = two
    import_as(here, folder)
    before = arrays_of(here)
    shutil.rmtree(here.home / "data")
    damage(here, "train/images.npy")
    prepared(here, monkeypatch)
    again = arrays_of(here)
    assert [path for path in before if again.pop(path) != before[path] and not path.endswith("/meta.json")] == []  # it names who made it
    assert again == {}


@one_place
def test_a_cache_that_was_lost_is_fetched_again(two, folder, monkeypatch):
    here, _ = two
    import_as(here, folder)
    folder.rename(folder.with_name("elsewhere"))
    before = arrays_of(here)
    shutil.rmtree(here.home / "data")
    prepared(here, monkeypatch)
    assert arrays_of(here) == before


@one_place
def test_a_damaged_description_is_said_and_hides_no_other_set(two, folder, tmp_path):
    here, there = two
    import_as(here, folder)
    import_as(here, pictures(tmp_path / "others", seed=1), "nights")
    with here.database.read() as connection:
        damage(here, f"{shared_sets(connection)['days'].id}/set.json")
    assert [one.name for one in imported(there.home)] == ["nights"]
    assert "is not what was sent" in there.artifacts.sets.problems["days"]
    assert not (there.home / "imports" / "days").exists()


@one_place
def test_without_the_object_store_an_import_is_kept_here_and_sent_later(two, folder):
    here, there = two
    here.bucket.is_away = True
    made = import_as(here, folder)
    assert [one.name for one in imported(here.home)] == [made.name]
    assert "no route to host" in here.artifacts.problem
    assert imported(there.home) == []
    assert [(name, "no route to host" in problem) for name, problem in here.artifacts.sets.send_waiting(is_asked=True)] == [("days", True)]
    here.bucket.is_away = False
    here.artifacts.background_sync.round()
    assert (here.artifacts.problem, here.artifacts.sets.problems) == ("", {})
    assert [one.name for one in imported(there.home)] == ["days"]


@one_place
def test_without_the_object_store_a_run_on_an_unsent_set_is_refused(unsent):
    here, _ = unsent
    here.bucket.is_away = True
    count = here.count()
    with pytest.raises(UnreachableObjectsError, match="no route to host"):
        here.create(config_on("days"))
    assert here.count() == count


@one_place
@pytest.mark.parametrize("has_description", [False, True])
def test_a_run_whose_set_cannot_be_fetched_now_is_interrupted(two, folder, monkeypatch, engine, has_description):
    here, there = two
    import_as(here, folder)
    folder.rename(folder.with_name("elsewhere"))
    run_id = here.create(config_on("days")).id
    there.artifacts.bring(run_id, lambda path: True)
    if has_description:
        imported(there.home)
    monkeypatch.setattr(there.artifacts, "_bring_for_training", lambda *arguments: None)  # it needs the object store, too
    there.bucket.is_away = True
    ended = on(there, monkeypatch, lambda: execute(there, run_id))
    assert (ended.status, ended.step) == (RunStatus.INTERRUPTED, 0)


@one_place
def test_without_the_object_store_what_is_here_is_used(two, folder, monkeypatch):
    here, there = two
    import_as(here, folder)
    first = prepared(there, monkeypatch)
    there.bucket.is_away = True
    assert [one.name for one in imported(there.home)] == ["days"]
    assert prepared(there, monkeypatch).tasks == first.tasks


@one_place
def test_a_file_that_no_object_can_hold_is_told(unsent):
    here, _ = unsent
    [arrays] = (here.home / "data").glob("imported-*")
    (arrays / "train" / "targets\n.npy").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be an object's name"):
        here.artifacts.sets.send("days")
