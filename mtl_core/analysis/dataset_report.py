"""Statistics of a prepared data set: label coverage, class counts, histograms of values and boxes.

Everything is counted over all rows, in chunks, so that memory-mapped arrays may be larger than memory. An image without a target is left out of
that task's counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mtl_core.data.dataset import MultiTaskDataset, PreparedData, Task
from mtl_core.language import mark, tr
from mtl_core.tasks import kind_of
from mtl_core.tasks.contents import chunks

SPLITS = (mark("train"), mark("val"), mark("test"))
BINS = 32  # bins of value histograms
MOST_WHOLE = 60  # largest range of whole numbers with one bin each
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Histogram:
    """A histogram of values.

    Attributes:
        edges: float (B + 1,), the same for every split of a task.
        counts: int64 (B,).
        low, high, mean: of the known values; NaN if there is none.
    """

    edges: np.ndarray
    counts: np.ndarray
    low: float
    high: float
    mean: float


@dataclass(frozen=True)
class TaskCounts:
    """Counts of one task in one split.

    Attributes:
        images: number of images in the split.
        labelled: images that have the target.
        images_per_class: int64 (K,) images in which the class occurs; empty for kinds without classes.
        amount_per_class: int64 (K,) boxes (detection) or pixels (segmentation); empty for other kinds.
        values: histogram of regression (one value per image) and depth (one per measured pixel).
        boxes: float32 (B, 2) width and height in pixels of every box; (0, 2) for other kinds.
        boxes_per_image: int64 (labelled,); empty for other kinds.
        unknown: pixels without a class or a measurement, of labelled images.
    """

    images: int
    labelled: int
    images_per_class: np.ndarray
    amount_per_class: np.ndarray
    values: Histogram | None
    boxes: np.ndarray
    boxes_per_image: np.ndarray
    unknown: int = 0

    @property
    def coverage(self) -> float:
        """Share of the split's images that have the target; 0 for an empty split."""
        return self.labelled / self.images if self.images else 0.0


@dataclass(frozen=True)
class DatasetReport:
    """The statistics of a data set.

    Attributes:
        tasks: tasks with targets, by name.
        sizes: images per split.
        counts: task -> split -> its counts.
        label_sets: split -> (set of tasks with targets, number of images with exactly this set), most frequent first.
    """

    tasks: Mapping[str, Task]
    sizes: Mapping[str, int]
    counts: Mapping[str, Mapping[str, TaskCounts]]
    label_sets: Mapping[str, list[tuple[tuple[str, ...], int]]]


def dataset_report(data: PreparedData, progress: Progress | None = None) -> DatasetReport:
    """Count everything in a prepared data set.

    Args:
        progress: called with the share done in 0..1 and a text.
    """
    progress = progress or (lambda share, what: None)
    tasks = with_targets(data)
    counts: dict[str, dict[str, TaskCounts]] = {}
    for place, task in enumerate(tasks.values()):
        progress(place / len(tasks), f"counting {task.name}")
        edges = _edges(data, task)
        counts[task.name] = {split: _count(data.split(split), task, edges) for split in SPLITS}
    progress(1.0, "counted")
    sizes = {split: len(data.split(split)) for split in SPLITS}
    return DatasetReport(tasks, sizes, counts, {split: label_sets(*labelled_matrix(data.split(split), tasks)) for split in SPLITS})


def with_targets(data: PreparedData) -> dict[str, Task]:
    """The tasks on offer with stored targets, without self-supervised tasks."""
    return {name: task for name, task in data.tasks.items() if task.target in data.train.targets and not task.superseded}


def labelled_matrix(split: MultiTaskDataset, tasks: Mapping[str, Task]) -> tuple[np.ndarray, list[str]]:
    """bool (N, T), True where image n has a target for task t, and the tasks' names in that order."""
    columns = [split.labelled[task.target] for task in tasks.values()]
    return (np.stack(columns, axis=1) if columns else np.zeros((len(split), 0), bool)), list(tasks)


def label_sets(labelled: np.ndarray, names: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
    """The combinations of targets that occur, most frequent first.

    Args:
        labelled: bool (N, T).
        names: of the T tasks.
    """
    rows, counts = np.unique(labelled, axis=0, return_counts=True)
    sets = [(tuple(name for name, has in zip(names, row, strict=True) if has), int(count)) for row, count in zip(rows, counts, strict=True)]
    return sorted(sets, key=lambda entry: (-entry[1], entry[0]))


def coverage_bands(labelled: np.ndarray, most: int) -> np.ndarray:
    """Share of labelled images per task, over at most ``most`` bands of neighbouring images of about equal length.

    Args:
        labelled: bool (N, T).

    Returns:
        float64 (min(N, most), T) in 0..1. If there are no more images than bands, each band is one image.
    """
    bands = min(len(labelled), most)
    starts = np.linspace(0, len(labelled), bands, endpoint=False).astype(np.int64)
    if not bands:
        return np.zeros((0, labelled.shape[1]))
    sums = np.add.reduceat(labelled.astype(np.int64), starts, axis=0)
    return sums / np.diff(np.append(starts, len(labelled)))[:, None]


def class_presence(task: Task, values: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """bool (N, K): whether class k occurs in image n. (N, 0) for kinds without classes; unlabelled rows are all False."""
    present = np.zeros((len(values), len(task.classes)), bool)
    rows = np.flatnonzero(labelled)
    for chunk in chunks(rows):
        found = kind_of(task.kind).presence(task, values[chunk])
        if found is None:
            break
        present[chunk] = found
    return present


def find_rows(split: MultiTaskDataset, task: Task | None = None, *, has_target: bool | None = None, presence: np.ndarray | None = None) -> np.ndarray:
    """Rows of a split, ascending.

    Args:
        task: the task of ``has_target``; None for all rows.
        has_target: only rows that have (True) or lack (False) it.
        presence: bool (N,), a column of ``class_presence``: only rows where it is True.
    """
    kept = np.ones(len(split), bool)
    if task is not None and has_target is not None:
        kept &= split.labelled[task.target] == has_target
    if presence is not None:
        kept &= presence
    return np.flatnonzero(kept)


def warnings(report: DatasetReport) -> list[str]:
    """Sentences on unusual findings that matter for training; empty if there are none."""
    found = []
    for split in ("val", "test"):
        if not report.sizes[split]:
            found.append(tr("There is no image in {split}.", split=tr(split)))
    for name, counts in report.counts.items():
        empty = [split for split in SPLITS if counts[split].images and not counts[split].labelled]
        if empty:
            splits = tr(" and ").join(map(tr, empty))
            found.append(
                tr("'{name}' has no target in {splits}: it cannot be learnt or measured there.", name=name, splits=splits)
                if "train" in empty
                else tr("'{name}' has no target in {splits}: it cannot be measured there.", name=name, splits=splits)
            )
        found += _class_warnings(report.tasks[name], counts)
    return found


def _class_warnings(task: Task, counts: Mapping[str, TaskCounts]) -> list[str]:
    train = counts["train"].images_per_class
    if not len(train) or not counts["train"].labelled:
        return []
    missing = [task.classes[place] for place in np.flatnonzero(train == 0) if task.classes[place] != "background"]
    found = []
    if missing:
        said = {"name": task.name, "classes": tr(", ").join(missing[:5])}
        if len(missing) > 5:
            more = len(missing) - 5
            found.append(tr("'{name}': no training image has {classes} and {more} more. A network cannot learn them.", more=more, **said))
        elif len(missing) > 1:
            found.append(tr("'{name}': no training image has {classes}. A network cannot learn them.", **said))
        else:
            found.append(tr("'{name}': no training image has {classes}. A network cannot learn it.", **said))
    known = train[train > 0]
    if len(known) > 1 and known.max() >= 20 * known.min():
        rare, frequent = (task.classes[int(place)] for place in (np.where(train > 0, train, train.max() + 1).argmin(), train.argmax()))
        times = known.max() / known.min()
        said = {"name": task.name, "frequent": frequent, "times": times, "rare": rare}
        found.append(tr("'{name}': {frequent} is on {times:.0f} times as many training images as {rare}.", **said))
    return found


# -- counting one task in one split


def _count(split: MultiTaskDataset, task: Task, edges: np.ndarray | None) -> TaskCounts:
    values, labelled = split.targets[task.target], split.labelled[task.target]
    rows = np.flatnonzero(labelled)
    presence = class_presence(task, values, labelled).sum(axis=0)
    contents = kind_of(task.kind).contents(task, values, rows)
    histogram, unknown = None, contents.unknown
    if edges is not None:
        histogram, unknown = _histogram(values, rows, edges)
    amount, boxes, per_image = contents.amount_per_class, contents.boxes, contents.boxes_per_image
    return TaskCounts(len(split), len(rows), presence, amount, histogram, boxes, per_image, unknown)


def _known(values: np.ndarray, rows: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """The known values in chunks, each with its number of unknown values."""
    for chunk in chunks(rows):
        piece = np.asarray(values[chunk], dtype=np.float64).ravel()
        known = piece[np.isfinite(piece)]
        yield known, piece.size - known.size


def _edges(data: PreparedData, task: Task) -> np.ndarray | None:
    """Edges of the bins, from the lowest to the highest known value of all splits; None if there are no values."""
    if not kind_of(task.kind).valued:
        return None
    low, high, whole = np.inf, -np.inf, True
    for name in SPLITS:
        split = data.split(name)
        for known, _ in _known(split.targets[task.target], np.flatnonzero(split.labelled[task.target])):
            if known.size:
                low, high = min(low, float(known.min())), max(high, float(known.max()))
                whole = whole and not (known % 1).any()
    if not np.isfinite(low):
        return None
    if whole and high - low < MOST_WHOLE:  # counts: bins of another width would hold one number, two or none
        return np.arange(low - 0.5, high + 1)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)


def _histogram(values: np.ndarray, rows: np.ndarray, edges: np.ndarray) -> tuple[Histogram, int]:
    counts, unknown, total = np.zeros(len(edges) - 1, np.int64), 0, 0.0
    low, high = np.nan, np.nan
    for known, missing in _known(values, rows):
        unknown += missing
        if known.size:
            counts += np.histogram(known, bins=edges)[0]
            total += float(known.sum())
            low, high = np.fmin(low, known.min()), np.fmax(high, known.max())
    number = int(counts.sum())
    return Histogram(edges, counts, float(low), float(high), total / number if number else float("nan")), unknown
