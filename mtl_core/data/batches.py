"""Batches: rows of the memory-mapped arrays, normalised and augmented a batch at a time on the device.

No worker processes: reading a batch is one copy out of the page cache, which costs less than handing tensors between processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtl_core.config_sections import AugmentationConfig
from mtl_core.data.augmentation.augmentation import Drawn, Mix
from mtl_core.data.augmentation.pipeline import Pipeline
from mtl_core.data.dataset import MultiTaskDataset, Task, read_by
from mtl_core.data.target_geometry import companions
from mtl_core.ranks import ALONE, Ranks

DEVICE_RESIDENT_BYTES = 1 << 30  # a split smaller than this is kept on the accelerator as a whole
_ORDER, _CHANGES = 3, 4  # two random streams; they must differ
_SMALLEST_STD = 1 / 255  # of a constant channel


@dataclass(frozen=True)
class Batch:
    """Some images with their targets, on the device.

    Attributes:
        images: float32 (n, C, H, W), normalised with the training split's mean and std.
        targets: target name -> rows in the types of ``dataset``'s table.
        labelled: target name -> bool (n,).
        index: int64 (n,) rows of the data set, on the CPU.
        mix: how mixup blended the images; None without mixup. Targets are each image's own.
        parts: task name -> its rows of ``images``, where tasks see different images; empty where every task sees all of them.
    """

    images: Tensor
    targets: dict[str, Tensor]
    labelled: dict[str, Tensor]
    index: Tensor
    mix: Mix | None = None
    parts: Mapping[str, slice] = field(default_factory=dict)


class Batches:
    """Epochs over one split.

    The order depends on ``seed`` and the epoch only. The augmentations depend on ``seed``, epoch and step only. An epoch that starts at step
    ``start`` gives the same batches as one that started at 0, so a run needs no saved generator to resume.

    Args:
        dataset: the split.
        targets: names of the target arrays to read; several tasks may share one.
        statistics: ``PreparedData.statistics``.
        batch_size: images per batch; the last batch of an epoch may hold fewer.
        shuffle: whether each epoch has a new order; otherwise the rows stay in order.
        augmentation: the augmentations of images and targets; None for none.
        channels_last: whether images have the channels-last memory format.
        drop_last: whether a last batch that is not full is left out. A split smaller than one batch always gives one batch.
        tasks: the data set's tasks by name; their geometry decides how targets follow augmented images.
        views: (batch, seed, epoch, step) -> the batch as the network sees it, with the views that self-supervised tasks need.
        ranks: the processes that divide each batch. Order, augmentation and views are those of one process with the whole batch.
    """

    def __init__(
        self,
        dataset: MultiTaskDataset,
        targets: Sequence[str],
        statistics: Mapping[str, Any],
        batch_size: int,
        device: torch.device | str = "cpu",
        seed: int = 0,
        shuffle: bool = False,
        augmentation: AugmentationConfig | None = None,
        channels_last: bool = False,
        drop_last: bool = False,
        views: Callable[[Batch, int, int, int], Batch] | None = None,
        tasks: Mapping[str, Task] | None = None,
        ranks: Ranks = ALONE,
    ):
        self.ranks = ranks
        self.count, self.batch_size, self.seed = len(dataset), batch_size, seed
        self.shuffle, self.drop_last = shuffle, drop_last and len(dataset) >= batch_size
        self.views = views
        self.device = torch.device(device)
        self._pipeline = Pipeline(
            augmentation or AugmentationConfig(), statistics.get("mean_colour", statistics["mean"]), self.device, read_by(tasks)
        )
        self._size = dataset.images.shape[2:]
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        names = list(dict.fromkeys(targets))
        names += companions(tasks or {}, names) if self._pipeline.steps else []
        arrays = {"images": dataset.images}
        arrays |= {f"target.{name}": dataset.targets[name] for name in names} | {f"labelled.{name}": dataset.labelled[name] for name in names}
        resident = self.device.type != "cpu" and sum(array.nbytes for array in arrays.values()) < DEVICE_RESIDENT_BYTES
        self._targets, self._rows = names, _Rows(arrays, self.device, resident)
        self._scale, self._offset = normalisation(statistics, self.device)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.count // self.batch_size if self.drop_last else -(-self.count // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from step ``start`` on."""
        order = np.arange(self.count)
        if self.shuffle:
            order = np.random.default_rng([self.seed, _ORDER, epoch]).permutation(self.count)
        for step in range(start, len(self)):
            yield self._batch(order[step * self.batch_size : (step + 1) * self.batch_size], epoch, step)

    def _batch(self, index: np.ndarray, epoch: int, step: int) -> Batch:
        drawn: list[Drawn] = []
        if self._pipeline.steps:  # a generator for nothing takes as long as reading a batch of small images
            drawn = self._pipeline.draw(len(index), self._size, np.random.default_rng([self.seed, _CHANGES, epoch, step]))
        if self.ranks.size > 1 and self.views is None:  # the changes are drawn for the whole batch, as in one process
            own = self.ranks.own(len(index))
            drawn = [{name: value[own] if np.ndim(value) else value for name, value in each.items()} for each in drawn]
            index = index[own]
        batch = self._finish(index, self._rows.take(index), drawn)
        if self.views is None:
            return batch
        batch = self.views(batch, self.seed, epoch, step)
        return batch if self.ranks.size == 1 else part_of(batch, self.ranks.own(len(batch.index)))

    def _finish(self, index: np.ndarray, arrays: dict[str, Tensor], drawn: list[Drawn]) -> Batch:
        targets = {name: arrays[f"target.{name}"] for name in self._targets}
        changed = self._pipeline.apply(arrays["images"], targets, drawn)
        images = changed.images.to(torch.float32)
        # Normalised before the memory order is changed: on a CPU that is twice as fast as after it.
        images = images.mul_(self._scale).add_(self._offset).contiguous(memory_format=self.memory_format)
        labelled = {name: arrays[f"labelled.{name}"] for name in self._targets}
        return Batch(images, changed.targets, labelled, torch.from_numpy(index), changed.mix)


def parts_of(count: int, parts: int) -> list[slice]:
    """``count`` rows in so many parts, the first ones larger by one row if they do not divide equally. Empty parts are left out."""
    size, larger = divmod(count, parts)
    starts = [number * size + min(number, larger) for number in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(starts) if stop > start]


def part_of(batch: Batch, own: slice) -> Batch:
    """A part of a batch: of its images and of every view, the rows ``own`` (without a step)."""
    count = len(batch.index)
    if not batch.parts and len(batch.images) == count:
        targets, labelled = ({name: rows[own] for name, rows in arrays.items()} for arrays in (batch.targets, batch.labelled))
        return Batch(batch.images[own], targets, labelled, batch.index[own], batch.mix)
    images, parts, start = [], {}, 0
    for part in _views(batch):
        chosen = _of_views(own, part[1] - part[0], count).to(batch.images.device) + part[0]
        images.append(batch.images[chosen])
        parts[part] = slice(start, start + len(chosen))
        start += len(chosen)
    targets = {name: target[_of_views(own, len(target), count).to(target.device)] for name, target in batch.targets.items()}
    labelled = {name: flags[own] for name, flags in batch.labelled.items()}
    where = {name: parts[part.start, part.stop] for name, part in batch.parts.items()}
    return Batch(torch.cat(images), targets, labelled, batch.index[own], batch.mix, where)


def image_rows(batch: Batch, own: slice) -> Tensor:
    """int64 on the CPU: which rows of the batch's images ``part_of`` takes, in its order."""
    return torch.cat([_of_views(own, stop - start, len(batch.index)) + start for start, stop in _views(batch)])


def _views(batch: Batch) -> list[tuple[int, int]]:
    """First row and end of the images of the batch and of each view that has images of its own."""
    return list(dict.fromkeys((part.start, part.stop) for part in batch.parts.values())) or [(0, len(batch.images))]


def _of_views(own: slice, length: int, count: int) -> Tensor:
    """The rows ``own`` of each of the blocks of ``count`` rows that ``length`` rows consist of."""
    return torch.cat([torch.arange(own.start, own.stop) + first for first in range(0, length, count)])


class _Rows:
    """Rows of several arrays as tensors on a device. If ``resident``, the device holds the whole arrays."""

    def __init__(self, arrays: dict[str, np.ndarray], device: torch.device, resident: bool):
        self._arrays, self._device = {name: np.asarray(array) for name, array in arrays.items()}, device
        self._resident: dict[str, Tensor] | None = None
        if resident:
            self._resident = {name: torch.from_numpy(np.array(array)).to(device) for name, array in arrays.items()}

    def take(self, index: np.ndarray) -> dict[str, Tensor]:
        if self._resident is not None:
            rows = torch.from_numpy(index).to(self._device)
            return {name: array.index_select(0, rows) for name, array in self._resident.items()}
        taken = {name: torch.from_numpy(array.take(index, axis=0)) for name, array in self._arrays.items()}
        if self._device.type == "cuda":
            return {name: tensor.pin_memory().to(self._device, non_blocking=True) for name, tensor in taken.items()}
        return {name: tensor.to(self._device) for name, tensor in taken.items()}


def normalisation(statistics: Mapping[str, Any], device: torch.device) -> tuple[Tensor, Tensor]:
    """Scale and offset (1, C, 1, 1) that take 0..255 to (x / 255 - mean) / std."""
    mean = torch.tensor(statistics["mean"], dtype=torch.float64)
    std = torch.tensor(statistics["std"], dtype=torch.float64).clamp(min=_SMALLEST_STD)
    scale, offset = 1 / (255 * std), -mean / std
    scale, offset = (values.to(torch.float32).view(1, -1, 1, 1).to(device) for values in (scale, offset))
    return scale, offset
