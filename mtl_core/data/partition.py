"""Partition: which images each task may learn from. Only flags change; images and targets stay where they are.

``disjoint`` gives each image of every split to one task. A label fraction keeps a share of one task's *training* targets: what would this
task be with fewer of them? val and test keep theirs, so that it is measured as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from mtl_core.config_sections import PartitionConfig
from mtl_core.data.dataset import MultiTaskDataset, PreparedData, Task
from mtl_core.data.statistics import measure_targets
from mtl_core.tasks import kind_of
from mtl_core.tasks.contents import chunks

SPLITS = ("train", "val", "test")
Labelled = dict[str, np.ndarray]  # task -> bool (N,)


def partitioned(data: PreparedData, config: PartitionConfig, label_fractions: Mapping[str, float]) -> PreparedData:
    """The data with fewer labels, as a run's config asks for it; the same object where it asks for nothing.

    Tasks whose labels change get flags and statistics of their own, measured on the training targets that they keep.

    Args:
        label_fractions: task of the run -> share of its training targets that it keeps, above 0 and at most 1.
    """
    tasks = [data.tasks[name] for name in label_fractions if name in data.tasks]
    flags = {split: labelled_by_task(data, split, config, label_fractions) for split in SPLITS}
    changed = [
        task for task in tasks if any(not np.array_equal(flags[split][task.name], data.split(split).labelled[task.target]) for split in SPLITS)
    ]
    if not changed:
        return data
    renamed = {task.name: replace(task, target=_target_of(task, data)) for task in changed}
    splits = {split: _with_flags(data.split(split), changed, renamed, flags[split]) for split in SPLITS}
    targets = dict(data.statistics["targets"]) | measure_targets(splits["train"], list(renamed.values()))
    return PreparedData(**splits, tasks={**data.tasks, **renamed}, statistics={**data.statistics, "targets": targets})


def _target_of(task: Task, data: PreparedData) -> str:
    """The target's own name, unless another task reads the same array: its flags must not change with this one's."""
    shared = any(other.target == task.target for other in data.tasks.values() if other.name != task.name)
    return f"{task.target}@{task.name}" if shared else task.target


def _with_flags(split: MultiTaskDataset, changed: Sequence[Task], renamed: Mapping[str, Task], flags: Labelled) -> MultiTaskDataset:
    targets, labelled = dict(split.targets), dict(split.labelled)
    for task in changed:
        name = renamed[task.name].target
        targets[name], labelled[name] = split.targets[task.target], flags[task.name]
    return MultiTaskDataset(split.images, targets, labelled)


def labelled_by_task(data: PreparedData, split: str, config: PartitionConfig, label_fractions: Mapping[str, float]) -> Labelled:
    """For each task of the run, which images of a split are labelled for it: (N,) bool.

    The answer for one task depends on the seed, its own fraction and, when disjoint, on the tasks that the images are divided among. A smaller
    fraction's images are among those of a larger one.
    """
    rows, names = data.split(split), [name for name in label_fractions if name in data.tasks]
    flags = {name: rows.labelled[data.tasks[name].target] for name in names}
    if config.kind == "disjoint":
        among = [name for name in (config.among or names) if name in data.tasks]
        divided = _divided({name: rows.labelled[data.tasks[name].target] for name in among}, _random(config.seed, split))
        flags = {name: divided[name] for name in names}
    if split == "train":
        flags |= {
            name: _fewer(flags[name], label_fractions[name], _strata(data.tasks[name], rows, flags[name]), _random(config.seed, name))
            for name in names
            if label_fractions[name] < 1
        }
    return flags


def _random(seed: int, name: str) -> np.random.Generator:
    """Random numbers that depend on nothing but these two."""
    return np.random.default_rng([seed, int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")])


def _divided(labelled: Labelled, random: np.random.Generator) -> Labelled:
    """Each image to one of the tasks that have a target for it, the same number to each as far as the targets allow.

    Images that fewer tasks could use are given away first.
    """
    names = list(labelled)
    usable = np.stack([labelled[name] for name in names], axis=1)  # (N, T)
    order = random.permutation(len(usable))
    order = order[np.argsort(usable[order].sum(axis=1), kind="stable")]
    given, counts = np.full(len(usable), -1), [0] * len(names)
    for row in order.tolist():
        choices = np.flatnonzero(usable[row]).tolist()
        if choices:
            given[row] = fewest = min(choices, key=counts.__getitem__)
            counts[fewest] += 1
    return {name: given == index for index, name in enumerate(names)}


def _fewer(labelled: np.ndarray, fraction: float, strata: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """``fraction`` of the labelled images, at least one, the same share of every stratum to within one image.

    Within each stratum the images stand in a random order at equal distances between 0 and 1; those nearest to 0 are taken.
    """
    rows = np.flatnonzero(labelled)
    place = np.empty(len(rows))
    shuffled = random.permutation(len(rows))
    shuffled = shuffled[np.argsort(strata[rows][shuffled], kind="stable")]
    bounds = np.flatnonzero(np.diff(strata[rows][shuffled])) + 1
    for start, end in pairwise([0, *bounds.tolist(), len(rows)]):
        place[shuffled[start:end]] = (np.arange(end - start) + random.random()) / max(1, end - start)
    count = max(1, round(fraction * len(rows))) if len(rows) else 0
    kept = np.zeros_like(labelled, dtype=bool)
    kept[rows[np.argsort(place, kind="stable")[:count]]] = True
    return kept


def _strata(task: Task, data: MultiTaskDataset, labelled: np.ndarray) -> np.ndarray:
    """A class for each image (N,): its own, or of several in it the one that the fewest images have; -1 for none, 0 where the kind has no classes."""
    rows, strata = np.flatnonzero(labelled), np.zeros(len(data), np.int64)
    parts = [kind_of(task.kind).presence(task, data.targets[task.target][chunk]) for chunk in chunks(rows)]
    if parts and parts[0] is not None and parts[0].shape[1]:
        present = np.concatenate([part for part in parts if part is not None])
        images_with = np.where(present, present.sum(axis=0), len(data) + 1)
        strata[rows] = np.where(present.any(axis=1), images_with.argmin(axis=1), -1)
    return strata
