"""A store that vanishes while it is open: a connection would go on with the deleted file, and what it writes would be lost in silence."""

import pytest

from mtl_core.errors import StoreError
from mtl_core.events import StepScalars
from mtl_core.runs import actions
from mtl_core.runs.store import open_store


@pytest.fixture
def run(store, config):
    return store.create(config())


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced"])
def test_nothing_is_read_or_written_once_the_file_is_gone(store, home, config, run, tmp_path, how):
    if how == "replaced":
        other = open_store(tmp_path / "other")
        (tmp_path / "other" / "store.sqlite").replace(home / "store.sqlite")
        assert other.database.path != store.database.path
    elif how == "deleted":
        for path in home.glob("store.sqlite*"):
            path.unlink()
    else:
        home.rename(tmp_path / "aside")
    said = "was replaced by another file" if how == "replaced" else "is not there any more"
    uses = [
        lambda: store.runs(),
        lambda: store.get(run.id),
        lambda: store.create(config()),
        lambda: store.note(run.id, "info", "a line"),
        lambda: store.append(run.id, StepScalars(1, 0.1, {"train/a/loss": 1.0})),
        lambda: actions.delete_run(store, run.id),
    ]
    for use in uses:
        with pytest.raises(StoreError, match=said):
            use()
    assert store.database.is_replaced() == (how == "replaced")


def test_a_store_that_is_put_back_goes_on(store, home, run, tmp_path):
    home.rename(tmp_path / "aside")
    with pytest.raises(StoreError):
        store.runs()
    (tmp_path / "aside").rename(home)
    assert [each.id for each in store.runs()] == [run.id]
