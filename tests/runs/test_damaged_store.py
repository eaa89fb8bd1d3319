"""A store's file that was emptied, lost, cut off or spoiled is refused in words and left alone."""

import pytest

from mtl_core.errors import StoreError
from mtl_core.events import EpochMetrics
from mtl_core.runs.store import open_store
from tests.runs.test_migration import FINISHED


def bytes_of(home):
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("left", "word"), [(b"", "empty"), (None, "missing")])
def test_a_store_file_that_was_emptied_or_lost_beside_runs_is_refused_and_left_alone(home, left, word):
    (home / "runs" / FINISHED).mkdir(parents=True)
    (home / "runs" / FINISHED / "config.yaml").write_text("epochs: 3")
    if left is not None:
        (home / "store.sqlite").write_bytes(left)
    before = bytes_of(home)
    with pytest.raises(StoreError, match=rf"store.sqlite' is {word}, but 1 run folder lies in '.*runs'. Nothing was deleted. Restore a copy"):
        open_store(home)
    assert bytes_of(home) == before


def test_an_empty_file_without_runs_is_a_new_store(home):
    (home / "runs" / "not a run").mkdir(parents=True)
    (home / "store.sqlite").write_bytes(b"")
    assert open_store(home).runs() == []


@pytest.fixture
def whole(store, config, tmp_path):
    """Bytes of a real store's file with some hundred pages, all of it out of the log."""
    run = store.create(config())
    store.append(run.id, EpochMetrics(1, 1, {f"val/task/{'metric' * 10}{number}": 1.0 for number in range(2000)}))
    with store.database._writer.connect() as connection:
        connection.connection.driver_connection.execute("pragma wal_checkpoint(truncate)")
    return run.id, store.database.path.read_bytes()


def read_everything(home, run_id):
    store = open_store(home)
    store.runs()
    store.log(run_id)
    store.settings()
    store.scalars(run_id)
    store.summary(run_id)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.501, 0.75, 0.9, 0.999])
def test_a_store_file_that_was_cut_off_is_refused_in_words(whole, tmp_path, share):
    run_id, content = whole
    home = tmp_path / "damaged"
    (home / "runs" / run_id).mkdir(parents=True)
    cut = content[: int(len(content) * share)]
    (home / "store.sqlite").write_bytes(cut)
    with pytest.raises(StoreError, match=r"store.sqlite' is damaged \(.*\). Nothing was deleted. Restore a copy of it, or move 'store.sqlite'"):
        read_everything(home, run_id)
    assert (home / "store.sqlite").read_bytes() == cut


@pytest.mark.parametrize("page", [3, 33, 50])
def test_a_store_with_a_spoiled_page_says_so_where_it_is_read(whole, tmp_path, page):
    """Opening may go well: the page is looked at only when its rows are read."""
    run_id, content = whole
    home = tmp_path / "damaged"
    (home / "runs" / run_id).mkdir(parents=True)
    (home / "store.sqlite").write_bytes(content[: 4096 * page] + b"\x07" * 4096 + content[4096 * (page + 1) :])
    with pytest.raises(StoreError, match=r"store.sqlite' is damaged"):
        read_everything(home, run_id)
