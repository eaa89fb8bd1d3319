"""Which checkpoints there are, which can be trusted, which are kept. No torch."""

import json
import shutil
from itertools import pairwise

import pytest

from mtl_core.errors import ConfigError, NotPossibleError
from mtl_core.training.checkpoint_files import (
    copy_for_fork,
    find_checkpoint,
    is_kept,
    kept_checkpoints,
    name_of,
    newest_first,
    put_aside,
    reached,
    read_index,
    update_index,
)


def there(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir() if path.is_dir())


# -- the index


def test_a_folder_without_checkpoints_has_an_empty_index(folder):
    assert (read_index(folder), newest_first(folder), kept_checkpoints(folder)) == ({}, [], [])
    (folder / "checkpoints").mkdir(parents=True)
    assert read_index(folder) == {}


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\x00",
        b'{"best": "x"}',
        b'{"last": null}',
        b'{"last": 5}',
        b'{"last": "x", "kept": 5}',
        b'{"last": "x", "best": 5}',
        b'{"last": "../../outside"}',
        b'{"last": "epoch_0003_step_00000030", "kept": ["../../outside"]}',
    ],
)
def test_an_index_that_cannot_be_used_is_made_anew_from_what_lies_there(folder, three, content):
    path = folder / "checkpoints" / "index.json"
    path.unlink() if content is None else path.write_bytes(content)
    (folder / "checkpoints" / f".{name_of(4, 40)}.tmp").mkdir()
    (folder / "checkpoints" / f"{name_of(4, 40)}.damaged").mkdir()
    assert read_index(folder) == {"best": three[1], "last": three[2], "previous": three[1], "kept": three}
    assert newest_first(folder) == three[::-1]


def test_an_index_made_anew_calls_the_newest_the_best_where_none_is_marked(folder, write_checkpoint):
    names = [write_checkpoint(folder, 1, 10), write_checkpoint(folder, 2, 20)]
    (folder / "checkpoints" / "index.json").unlink()
    assert read_index(folder)["best"] == names[1]


def test_an_old_index_knows_no_kept_ones(folder, three):
    (folder / "checkpoints" / "index.json").write_text(json.dumps({"best": three[1], "last": three[2]}))
    assert read_index(folder) == {"best": three[1], "last": three[2], "kept": []}


def test_newest_first_is_by_step_and_then_by_epoch(folder, write_checkpoint):
    """A run stopped in the evaluation of its 1st epoch stands at step 20 of epoch 0, as at the end of epoch 1. Past 9,999 epochs names grow."""
    order = [(0, 5), (0, 20), (1, 20), (1, 25), (9_999, 99_999_990), (10_000, 100_000_000)]
    for epoch, step in order:
        write_checkpoint(folder, epoch, step)
    assert newest_first(folder) == [name_of(epoch, step) for epoch, step in reversed(order)]


def test_what_is_kept_says_what_it_is(folder, write_checkpoint):
    write_checkpoint(folder, 1, 10, best=True)
    write_checkpoint(folder, 1, 13, step_in_epoch=3, keep=False)
    found = [(kept.epoch, kept.step, kept.whole_epoch, kept.is_best, kept.is_last) for kept in kept_checkpoints(folder)]
    assert found == [(1, 10, True, True, False), (1, 13, False, False, True)]
    shutil.rmtree(folder / "checkpoints" / name_of(1, 10))
    assert [kept.epoch for kept in kept_checkpoints(folder)] == [1]  # one that is named but gone is none


def test_the_index_drops_only_what_nothing_names(folder, write_checkpoint):
    kept, best = write_checkpoint(folder, 1, 10), write_checkpoint(folder, 2, 20, best=True, keep=False)
    lost, before = write_checkpoint(folder, 3, 30, keep=False), write_checkpoint(folder, 4, 40, keep=False)
    parent = folder / "checkpoints"
    for name in (f".{name_of(4, 45)}.tmp", f"{name_of(2, 25)}.damaged", "mine"):
        (parent / name).mkdir()
    (parent / "notes.txt").write_text("mine")
    last = write_checkpoint(folder, 5, 50, keep=False)
    assert lost not in there(folder)
    assert there(folder) == sorted([kept, best, before, last, f"{name_of(2, 25)}.damaged", "mine"])
    assert (parent / "notes.txt").read_text() == "mine"
    assert read_index(folder) == {"best": best, "last": last, "previous": before, "kept": [kept]}


def test_the_same_checkpoint_again_changes_nothing(folder, three):
    before = read_index(folder)
    update_index(folder, three[2], best=False, keep=False)
    assert read_index(folder) == before


def test_a_best_that_is_gone_is_replaced_by_the_next(folder, three, write_checkpoint):
    put_aside(folder, three[1])
    name = write_checkpoint(folder, 4, 40, keep=False)
    assert read_index(folder)["best"] == name


# -- which epochs are kept


def test_at_most_so_many_epochs_are_kept_evenly_spread_over_the_run():
    for epochs in range(1, 400):
        for keep in (0, 1, 2, 3, 7, 10, 11, 50, 399, 1000):
            kept = [epoch for epoch in range(epochs + 1) if is_kept(epoch, epochs, keep)]
            assert len(kept) <= keep, (epochs, keep)
            assert {later - earlier for earlier, later in pairwise(kept)} <= {kept[0] if kept else 0}, (epochs, keep)
            assert len(kept) >= min(epochs, keep) // 2.5, (epochs, keep)  # the next smaller step of 1, 2, 5, 10 would keep too many


@pytest.mark.parametrize(
    ("epochs", "keep", "kept"),
    [
        (10, 10, list(range(1, 11))),
        (11, 10, [2, 4, 6, 8, 10]),
        (100, 10, list(range(10, 101, 10))),
        (45, 10, list(range(5, 46, 5))),
        (3, 1, [2]),
        (10, 0, []),
    ],
)
def test_which_epochs_are_kept(epochs, keep, kept):
    assert [epoch for epoch in range(epochs + 1) if is_kept(epoch, epochs, keep)] == kept


@pytest.mark.parametrize(("before", "epochs", "keep"), [(5, 50, 5), (10, 100, 10), (3, 9, 2), (5, 50, 0), (7, 8, 1)])
def test_a_longer_run_keeps_no_more_than_the_limit_and_ends_with_the_new_spacing(folder, write_checkpoint, before, epochs, keep):
    def publish(epoch, epochs):
        name = write_checkpoint(folder, epoch, 10 * epoch, best=epoch == 1, keep=False)
        update_index(folder, name, best=False, keep=is_kept(epoch, epochs, keep), limit=(epochs, keep))
        index = read_index(folder)
        assert len(index["kept"]) <= keep
        return index

    for epoch in range(1, before + 1):
        publish(epoch, before)
    most = 0
    for epoch in range(before + 1, epochs + 1):
        index = publish(epoch, epochs)
        most = max(most, len(index["kept"]))
        assert {index["best"], index["last"], index["previous"], *index["kept"]} == set(there(folder))
    assert index["best"] == name_of(1, 10)
    assert {int(name[6:10]) for name in index["kept"]} >= {epoch for epoch in range(epochs + 1) if is_kept(epoch, epochs, keep)}
    assert most == keep or before < keep  # room is used as long as there is any


def test_what_a_fork_began_from_is_never_thinned_out(folder, write_checkpoint, tmp_path):
    first = write_checkpoint(folder, 1, 10)
    second = write_checkpoint(folder, 2, 20)
    fork = tmp_path / "fork"
    copy_for_fork(folder, second, fork)
    for where in (folder, fork):
        for epoch in (3, 4, 5, 6):
            name = write_checkpoint(where, epoch, 10 * epoch, keep=False)
            update_index(where, name, best=False, keep=True, limit=(100, 1))
    assert {first, second}.isdisjoint(read_index(folder)["kept"])  # the fork holds all that it needs
    assert second in read_index(fork)["kept"]
    assert second in there(fork)
    (fork / "checkpoints" / "index.json").unlink()  # what it is stands with it
    update_index(fork, name_of(6, 60), best=False, keep=True, limit=(100, 1))
    assert second in read_index(fork)["kept"]


def test_how_far_a_folder_is_has_the_fraction_of_its_epoch(folder, write_checkpoint):
    assert reached(folder) == (0, 0.0)
    write_checkpoint(folder, 0, 3, step_in_epoch=3, steps_per_epoch=12)
    assert reached(folder) == (3, 0.25)
    write_checkpoint(folder, 2, 24)
    assert reached(folder) == (24, 2.0)
    write_checkpoint(folder, 2, 30, step_in_epoch=6)  # of an earlier version: it does not say how long an epoch is
    assert reached(folder) == (30, 2.5)


# -- which one is meant


@pytest.fixture
def four(folder, write_checkpoint):
    """Epochs 1 and 2 (the best), the middle of epoch 3 (the last)."""
    write_checkpoint(folder, 1, 10)
    write_checkpoint(folder, 2, 20, best=True)
    write_checkpoint(folder, 2, 25, step_in_epoch=5, keep=False)
    return folder


@pytest.mark.parametrize(
    ("wanted", "whole", "step"),
    [("best", False, 20), ("last", False, 25), ("1", False, 10), (2, False, 20), ("last", True, 20), ("best", True, 20), (" 1 ", True, 10)],
)
def test_the_checkpoint_that_is_meant(four, wanted, whole, step):
    assert find_checkpoint(four, wanted, whole=whole).step == step


@pytest.mark.parametrize("whole", [False, True])
def test_a_checkpoint_that_is_not_there_is_said_in_one_way(four, tmp_path, whole):
    for wanted in ("3", 0):
        with pytest.raises(NotPossibleError, match=rf"run run has no state of epoch {wanted}. Kept epochs: 1, 2 \(see keep_checkpoints\)"):
            find_checkpoint(four, wanted, whole=whole)
    for wanted in ("newest", "-1", "1.5", "", "²", "9" * 5000):
        with pytest.raises(ConfigError, match="expected 'best', 'best:TASK', 'last' or the number of an epoch"):
            find_checkpoint(four, wanted, whole=whole)
    with pytest.raises(NotPossibleError, match="run empty has no checkpoint: one is saved after each epoch"):
        find_checkpoint(tmp_path / "empty", "best", whole=whole)


# -- the best of each task


def test_the_best_checkpoint_of_each_task_is_kept_and_found(folder, write_checkpoint, tmp_path):
    """Four epochs of which none is kept to fork from: boxes are best after 1, digits after 1 and then 3, the mean after 2."""

    def publish(epoch, best_of=(), best=False):
        name = write_checkpoint(folder, epoch, 10 * epoch, best=best, keep=False, best_of=list(best_of))
        update_index(folder, name, best=best, best_of=best_of, keep=False, limit=(9, 0))

    publish(1, ["boxes", "digits"], best=True)
    publish(2, best=True)
    publish(3, ["digits"])
    publish(4)
    for epoch in (5, 6):
        publish(epoch)
    assert there(folder) == [name_of(epoch, 10 * epoch) for epoch in (1, 2, 3, 5, 6)]
    assert [find_checkpoint(folder, wanted).epoch for wanted in ("best", "best:boxes", "best:digits", "last")] == [2, 1, 3, 6]
    assert find_checkpoint(folder, "best:digits", whole=True).best_of == ("digits",)
    with pytest.raises(NotPossibleError, match="run run has no best state of 'depth'; it has one of boxes, digits"):
        find_checkpoint(folder, "best:depth")

    (folder / "checkpoints" / "index.json").unlink()  # the checkpoints say it themselves
    assert read_index(folder)["best_of"] == {"boxes": name_of(1, 10), "digits": name_of(3, 30)}

    copy_for_fork(folder, name_of(3, 30), tmp_path / "fork")
    with pytest.raises(NotPossibleError, match="run fork keeps no best state of single tasks"):
        find_checkpoint(tmp_path / "fork", "best:digits")


def test_an_index_whose_names_lead_elsewhere_is_made_anew(folder, three):
    (folder / "checkpoints" / "index.json").write_text(json.dumps({"last": three[2], "best_of": {"digits": "../../other"}}))
    assert read_index(folder) == {"best": three[1], "last": three[2], "previous": three[1], "kept": three}
