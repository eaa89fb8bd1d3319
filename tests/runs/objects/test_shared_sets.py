"""Imported data sets in the object store: what one machine imports, another trains on, without the files that it was imported from."""

import shutil

import numpy as np
import pytest
from imported_sets import TASK, arrays_of, config_on, import_as, on, pictures, set_files
from object_stores import Machine, objects_of, one_place

from mtl_core.data import open_source
from mtl_core.data.imports import delete, get_imported, imported, name_problem
from mtl_core.data.prepare import prepare
from mtl_core.data.prepared_identity import data_hash
from mtl_core.errors import DataError, StoreError
from mtl_core.runs.executor import execute
from mtl_core.runs.objects import pointers
from mtl_core.runs.sql.postgres_database import open_postgres
from mtl_core.runs.status import RunStatus


@pytest.fixture
def folder(tmp_path):
    return pictures(tmp_path / "mine")


def test_another_machine_has_the_set_without_its_files(two, folder, monkeypatch):
    here, there = two
    made = import_as(here, folder)
    folder.rename(folder.with_name("on no other machine"))
    found = on(there, monkeypatch, lambda: imported())
    assert [one.to_dict() | {"folder": ""} for one in found] == [made.to_dict() | {"folder": ""}]
    assert set_files(there) == set_files(here)
    assert arrays_of(there) == {}  # a page that lists sets fetches no pictures
    config = config_on("days", preprocessing={"denoise": {"name": "median"}})
    data = [on(machine, monkeypatch, lambda: prepare(open_source(config.data), machine.home / "data")) for machine in two]  # noqa: B023
    assert arrays_of(there) == arrays_of(here)
    assert len({name.partition("/")[0] for name in arrays_of(there)}) == 2  # of the set, and of what each machine made of it
    np.testing.assert_array_equal(*(each.train.images for each in data))
    assert sorted(path.name for path in (there.home / "imports").iterdir() if path.name != ".objects.lock") == ["days"]


@one_place
def test_a_run_on_a_set_trains_on_another_machine(two, folder, monkeypatch, one_thread):
    here, there = two
    import_as(here, folder)
    folder.rename(folder.with_name("on no other machine"))
    run = here.create(config_on("days", epochs=1))
    ended = on(there, monkeypatch, lambda: execute(there, run.id))
    assert ended.status == RunStatus.FINISHED
    assert arrays_of(here).items() <= arrays_of(there).items()
    assert ended.info["data_hash"] == on(here, monkeypatch, lambda: data_hash(open_source(run.config.data)))


@one_place
def test_names_of_objects_are_never_used_again(two, folder, monkeypatch):
    here, _ = two
    before = None
    for _ in range(2):
        import_as(here, folder)
        names = set(objects_of(here))
        assert len(names) == len(set_files(here)) + len(arrays_of(here))
        assert before is None or not before & names
        before = names
        delete("days", here.home)
    assert objects_of(here) == []


@one_place
def test_deleting_a_set_deletes_it_for_all_machines(two, folder, tmp_path, monkeypatch):
    here, there = two
    import_as(here, folder)
    import_as(here, pictures(tmp_path / "others", seed=1), "nights")
    assert [one.name for one in imported(there.home)] == ["days", "nights"]
    prepare_on(there, monkeypatch, "days")
    kept = {name for name in objects_of(here) if pointers.set_of_owner(name.partition("/")[0]) == _id_of(here, "nights")}
    delete("days", there.home)
    assert set(objects_of(here)) == kept
    for machine in two:
        assert [one.name for one in imported(machine.home)] == ["nights"]
    assert list((here.home / "data").glob("imported-*")) == [here.home / "data" / f"imported-{get_imported('nights', here.home).digest[:16]}"]
    assert arrays_of(there) == {}
    assert (folder / "table.csv").is_file()


def prepare_on(machine, monkeypatch, name):
    return on(machine, monkeypatch, lambda: prepare(open_source(config_on(name).data), machine.home / "data"))


def _id_of(machine, name):
    with machine.database.read() as connection:
        return pointers.shared_sets(connection)[name].id


@one_place
def test_objects_of_a_set_that_was_deleted_without_the_object_store_go_later(two, folder):
    here, there = two
    import_as(here, folder)
    here.bucket.is_away = True
    delete("days", here.home)
    assert imported(here.home) == imported(there.home) == []
    assert "no route to host" in here.artifacts.problem
    assert objects_of(here)
    there.artifacts.remove_deleted()  # of runs: touches no set
    assert objects_of(here)
    here.bucket.is_away = False
    there.artifacts.background_sync.round()
    assert objects_of(here) == []


@one_place
def test_a_name_that_another_machine_has_taken_is_refused(two, folder):
    here, there = two
    import_as(here, folder)
    assert "there is a data set 'days' already" in name_problem("days", there.home)


@one_place
def test_a_queued_run_is_not_trained_on_a_set_that_took_the_name_since(two, folder, tmp_path, monkeypatch, engine):
    here, there = two
    import_as(here, folder)
    prepare_on(there, monkeypatch, "days")
    first, second = (here.create(config_on("days", epochs=1)).id for _ in range(2))
    assert on(there, monkeypatch, lambda: execute(there, first)).status == RunStatus.FINISHED  # of the fake engine, which reads no data
    delete("days", here.home)
    import_as(here, pictures(tmp_path / "others", seed=1))
    ended = on(there, monkeypatch, lambda: execute(there, second))
    assert (ended.status, ended.step, ended.failure["kind"]) == (RunStatus.FAILED, 0, "data")
    assert "the data set 'days' is not the one that this run was made for" in ended.failure["message"]


@one_place
def test_a_queued_run_trains_on_the_same_data_that_were_imported_again(two, folder, monkeypatch, engine):
    here, there = two
    import_as(here, folder)
    run_id = here.create(config_on("days")).id
    delete("days", here.home)
    import_as(here, folder)
    assert on(there, monkeypatch, lambda: execute(there, run_id)).status == RunStatus.FINISHED


@one_place
def test_a_queued_run_whose_set_was_deleted_says_so(two, folder, monkeypatch, engine):
    here, there = two
    import_as(here, folder)
    run_id = here.create(config_on("days")).id
    delete("days", here.home)
    ended = on(there, monkeypatch, lambda: execute(there, run_id))
    assert (ended.status, ended.step) == (RunStatus.FAILED, 0)
    assert "unknown imported data set 'days'" in ended.failure["message"]


@one_place
def test_two_machines_with_other_data_under_one_name_keep_them_apart(two, folder, tmp_path, monkeypatch):
    """Both have imported before there was an object store."""
    here, there = two
    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.data.imports.import_library._shared", {})
        import_as(here, folder)
        others = import_as(there, pictures(tmp_path / "others", seed=1))
    here.artifacts.sets.mark_all()
    assert here.artifacts.sets.send_waiting() == [("days", "")]
    there.artifacts.sets.mark_all()
    [(name, problem)] = there.artifacts.sets.send_waiting()
    assert name == "days"
    assert "another machine has sent other data as the data set 'days'" in problem
    assert get_imported("days", there.home).digest == others.digest
    count = there.count()
    with pytest.raises(StoreError, match="another machine has sent other data"):
        there.create(config_on("days"))
    assert there.count() == count
    delete("days", there.home)  # its own: the other one stays, and is taken now
    assert get_imported("days", there.home).digest == get_imported("days", here.home).digest != others.digest


@one_place
def test_two_machines_with_the_same_data_under_one_name_share_them(two, folder, monkeypatch):
    here, there = two
    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.data.imports.import_library._shared", {})
        for machine in two:
            import_as(machine, folder)
    here.artifacts.sets.mark_all()
    assert here.artifacts.sets.send_waiting() == [("days", "")]
    before = objects_of(here)
    there.artifacts.sets.mark_all()
    assert there.artifacts.sets.send_waiting() == [("days", "")]
    there.artifacts.sets.mark_all()
    assert there.artifacts.sets.send_waiting() == []
    assert objects_of(here) == before


@one_place
def test_a_set_from_before_the_object_store_is_sent_with_the_first_run_on_it(two, folder, monkeypatch):
    here, there = two
    with monkeypatch.context() as patch:
        patch.setattr("mtl_core.data.imports.import_library._shared", {})
        import_as(here, folder)
    assert imported(there.home) == []
    shutil.rmtree(here.home / "data")  # the arrays are made again of the files
    on(here, monkeypatch, lambda: here.create(config_on("days")))
    assert [one.name for one in imported(there.home)] == ["days"]
    prepare_on(there, monkeypatch, "days")
    assert arrays_of(there) == arrays_of(here)


@one_place
def test_a_folder_that_is_not_on_this_machine_is_refused_in_words(two, tmp_path, engine):
    here, there = two
    run = here.create(config_on("", data={"name": "nyuv2", "root": str(tmp_path / "of another machine")}, tasks={"depth": {}}))
    ended = execute(there, run.id)
    assert (ended.status, ended.step) == (RunStatus.FAILED, 0)
    assert "A folder is not in the object store: put it in the same place on every machine" in ended.failure["message"]
    assert "mtl data import FOLDER --name NAME" in ended.failure["message"]


@one_place
def test_a_set_that_a_stranger_has_named_is_refused(two, folder):
    here, there = two
    import_as(here, folder)
    with here.database.write() as connection:
        pointers.write_set(connection, "../../outside", pointers.SharedSet("0" * 32, "0" * 64))
    assert imported(there.home) == []
    assert "which no version of this program writes" in there.artifacts.sets.problems[""]
    assert {path.name for path in there.home.rglob("*")} == set()
    with pytest.raises(DataError, match="unknown imported data set"):
        get_imported("../../outside", there.home)


@pytest.mark.database
@one_place
def test_machines_share_sets_through_postgresql(empty, url, folder, tmp_path):
    here, there = (Machine(tmp_path / name, open_postgres(empty.url, tmp_path / name), url) for name in ("here", "there"))
    import_as(here, folder)
    assert [one.name for one in imported(there.home)] == ["days"]
    delete("days", there.home)
    assert imported(here.home) == []
    assert objects_of(here) == []


@one_place
def test_the_table_is_added_to_a_store_of_an_earlier_version(two, folder):
    here, there = two
    with here.database.write() as connection:
        pointers._sets.drop(connection)
    pointers.prepare_tables(here.database)
    import_as(here, folder)
    assert [one.name for one in imported(there.home)] == ["days"]


def test_the_task_of_these_tests_has_a_name_of_another_script():
    """It is part of the names of files and objects."""
    assert not TASK.isascii()
