"""Partitions: who may learn from which image."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_core.config_sections import PartitionConfig
from mtl_core.data.dataset import MultiTaskDataset, PreparedData, Task
from mtl_core.data.partition import SPLITS, labelled_by_task, partitioned
from mtl_core.data.statistics import measure

TASKS = (
    Task("digit", "classification", "digit", ("a", "b", "c")),
    Task("slant", "regression", "slant"),
    Task("tags", "multi_label", "tags", ("x", "y", "rare")),
    Task("mask", "segmentation", "mask", ("ground", "thing")),
    Task("where", "detection", "where", ("p", "q")),
    Task("tilt", "regression", "slant"),  # reads the same array as slant
)
SIZES = {"train": 400, "val": 60, "test": 61}
ALL = dict.fromkeys((task.name for task in TASKS), 1.0)


def split_of(count, seed, gaps):
    random = np.random.default_rng(seed)
    tags = random.random((count, 3)) < (0.5, 0.5, 0.05)
    where = np.zeros((count, 2, 5), np.float32)
    where[..., 4] = random.integers(-1, 2, (count, 2))
    targets = {
        "digit": random.choice(3, count, p=(0.7, 0.25, 0.05)).astype(np.int64),
        "slant": random.normal(size=count).astype(np.float32),
        "tags": tags.astype(np.uint8),
        "mask": (random.random((count, 1, 1)) < np.full((1, 4, 4), 0.2)).astype(np.uint8),
        "where": where,
    }
    labelled = {name: random.random(count) < 0.6 if gaps else np.ones(count, bool) for name in targets}
    return MultiTaskDataset(np.zeros((count, 1, 4, 4), np.uint8), targets, labelled)


def data(gaps=False):
    splits = {split: split_of(count, number, gaps) for number, (split, count) in enumerate(SIZES.items())}
    return PreparedData(**splits, tasks={task.name: task for task in TASKS}, statistics=measure(splits["train"], TASKS))


def flags(config=None, gaps=False, split="train", **fractions):
    return labelled_by_task(data(gaps), split, config or PartitionConfig(), ALL | fractions)


def test_shared_with_all_labels_changes_nothing():
    given = data()
    assert partitioned(given, PartitionConfig(), ALL) is given


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("split", SPLITS)
def test_disjoint_parts_cover_what_is_labelled_without_overlap_and_evenly(split, gaps):
    found = flags(PartitionConfig(kind="disjoint"), gaps, split)
    given = data(gaps)
    usable = {name: given.split(split).labelled[given.tasks[name].target] for name in ALL}
    counts = np.sum(list(found.values()), axis=0)
    assert np.array_equal(counts, np.any(list(usable.values()), axis=0).astype(int))
    assert all((usable[name] | ~found[name]).all() for name in found)
    sizes = [int(each.sum()) for each in found.values()]
    assert max(sizes) - min(sizes) <= 1


def test_a_task_keeps_its_disjoint_images_when_others_are_left_out():
    config = PartitionConfig(kind="disjoint", among=list(ALL))
    alone = labelled_by_task(data(), "val", config, {"slant": 1.0})
    assert np.array_equal(alone["slant"], flags(config, split="val")["slant"])


def test_the_seed_decides():
    first, again, other = (flags(PartitionConfig(kind="disjoint", seed=seed))["digit"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    first, again, other = (flags(PartitionConfig(seed=seed), digit=0.3)["digit"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("task", list(ALL))
@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.37, 0.9])
def test_a_fraction_is_exactly_that_many_of_the_labelled(task, fraction, gaps):
    found, before = flags(gaps=gaps, **{task: fraction})[task], flags(gaps=gaps)[task]
    assert found.sum() == max(1, round(fraction * before.sum()))
    assert (before | ~found).all()


def test_a_smaller_fraction_is_part_of_a_larger_one_and_of_nobody_elses_business():
    few, more = flags(mask=0.1), flags(mask=0.3, digit=0.5)
    assert (more["mask"] | ~few["mask"]).all()
    assert few["digit"].all()
    assert np.array_equal(flags(digit=0.5)["digit"], more["digit"])


@pytest.mark.parametrize("split", ["val", "test"])
def test_val_and_test_keep_their_labels(split):
    assert flags(split=split, digit=0.1, mask=0.1)["digit"].all()


def test_every_class_keeps_its_share():
    given, kept = data(), flags(digit=0.2, tags=0.2, where=0.2)
    digits = given.train.targets["digit"]
    for number in range(3):
        assert abs((digits[kept["digit"]] == number).sum() - 0.2 * (digits == number).sum()) <= 1
    rare = given.train.targets["tags"][:, 2] == 1
    assert abs(rare[kept["tags"]].sum() - 0.2 * rare.sum()) <= 1
    empty = (given.train.targets["where"][..., 4] < 0).all(axis=1)
    assert abs(empty[kept["where"]].sum() - 0.2 * empty.sum()) <= 1


def test_statistics_are_of_the_labels_that_are_left_and_images_and_others_stay():
    given = data()
    few = partitioned(given, PartitionConfig(), ALL | {"digit": 0.1})
    kept = few.train.labelled["digit"]
    assert few.statistics["targets"]["digit"]["class_counts"] == np.bincount(given.train.targets["digit"][kept], minlength=3).tolist()
    assert few.statistics["targets"]["slant"] == given.statistics["targets"]["slant"]
    assert few.statistics["mean"] == given.statistics["mean"]
    assert few.train.images is given.train.images
    assert given.train.labelled["digit"].all()  # what was given is as it was


def test_two_tasks_that_read_one_array_have_labels_of_their_own():
    few = partitioned(data(), PartitionConfig(), ALL | {"slant": 0.1})
    assert few.tasks["slant"].target != few.tasks["tilt"].target
    assert few.train.labelled[few.tasks["slant"].target].sum() == 40
    assert few.train.labelled[few.tasks["tilt"].target].all()
    assert few.train.targets[few.tasks["slant"].target] is few.train.targets["slant"]
