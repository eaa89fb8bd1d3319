"""Names of objects that no version of this program writes, and links in the cache: nothing outside the run is written or deleted."""

import pytest
from object_stores import end, objects_of, one_place

from mtl_core.errors import StoreError
from mtl_core.runs import actions
from mtl_core.runs.objects import pointers


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
