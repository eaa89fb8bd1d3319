"""SelfSupervised: parent of the tasks whose targets are made from the pixels. They fit any data set and need no labels.

Such a task changes the images (turns, shuffles or hides parts of them), so it has its own *views*. In a joint step the views of all such tasks
go through the shared network together with the batch's own images (``with_views``), and each head reads its own rows. Random numbers depend on
(seed, epoch, step, task name) alone: a resumed run has the same views, and every evaluation has the same views.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.batches import Batch
from mtl_core.data.dataset import Task
from mtl_core.tasks.kind import KindOptions, TaskKind

_VIEWS = 5  # number of the random stream; ``mtl_core.data.batches`` has the others
_SMALLEST_STD = 1 / 255  # std of a constant channel, as in the normalisation of batches
SEEN_IMAGES = 512  # largest number of training images for ``measure``


@dataclass(frozen=True)
class View:
    """The views of n images for one self-supervised task.

    Attributes:
        images: normalised (m, C, H, W), m a multiple of n: first one view of every image, then the next of every image; None for unchanged
            images.
        target: m rows of targets.
    """

    images: Tensor | None
    target: Tensor


class SelfSupervised(TaskKind):
    """Parent of the kinds whose targets are made from the pixels.

    Class attributes:
        summary: one sentence for the form.
        images_at_least: smallest batch size that the loss needs.
    """

    is_self_supervised: ClassVar[bool] = True
    summary: ClassVar[str]
    images_at_least: ClassVar[int] = 1

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        shape = tuple(statistics["image_shape"])
        mean, std = statistics.get("mean", [0.5] * shape[0]), statistics.get("std", [0.25] * shape[0])
        colour = statistics.get("mean_colour", mean)
        self.channels = shape[0]
        self.mean = torch.tensor(mean, dtype=torch.float32, device="cpu").view(1, -1, 1, 1)
        self.std = torch.tensor(std, dtype=torch.float32, device="cpu").clamp(min=_SMALLEST_STD).view(1, -1, 1, 1)
        self.mean_colour = (torch.tensor(colour, dtype=torch.float32, device="cpu").view(1, -1, 1, 1) - self.mean) / self.std  # as normalised

    @classmethod
    def task_of(cls, name: str, options: KindOptions) -> Task:
        """The task as the run records it. Its target is made from the pixels, not read."""
        return Task(name, name, f"made/{name}", title=cls.title)

    @classmethod
    def misfit(cls, options: KindOptions, image_shape: tuple[int, int, int]) -> str:
        """Why the task does not fit images of this shape (C, H, W), as a sentence with advice; empty if it fits."""
        return ""

    def measure(self, images: np.ndarray) -> None:
        """Measure statistics of some training images, uint8 (n, C, H, W), before the run starts."""

    @abstractmethod
    def view(self, images: Tensor, generator: torch.Generator) -> View:
        """Changed images and their targets.

        Args:
            images: normalised, float32 (n, C, H, W).
            generator: source of all random numbers, on the CPU, so that every device draws the same.
        """

    def drawn_target(self, view: View, count: int) -> np.ndarray:
        """The target of the first view of each of ``count`` images, for ``draw_target``."""
        return view.target[:count].cpu().numpy()

    def first_views(self, output: Any, count: int) -> Any:
        """The part of the output that ``decode`` needs for the first view of each of ``count`` images."""
        return self.select(output, torch.arange(count))

    def numbered(self, predictions: np.ndarray, start: int) -> np.ndarray:
        """The predictions of a batch whose first image has the number ``start``. Kinds that refer to other images of the batch renumber them."""
        return predictions

    def pixels(self, images: Tensor) -> np.ndarray:
        """Normalised images -> uint8 (n, H, W, 3), for drawing."""
        shown = self.in_range(images.float().cpu()).mul(255).round().to(torch.uint8)
        return shown.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()

    def in_range(self, images: Tensor) -> Tensor:
        """Normalised images -> 0..1."""
        return (images * self.std.to(images.device) + self.mean.to(images.device)).clamp(0, 1)


def self_supervised(kinds: Mapping[str, TaskKind]) -> dict[str, SelfSupervised]:
    """The self-supervised tasks among some."""
    return {name: cast("SelfSupervised", kind) for name, kind in kinds.items() if kind.is_self_supervised}


def with_views(batch: Batch, kinds: Mapping[str, TaskKind], seed: int, epoch: int, step: int) -> Batch:
    """The batch with the views of every self-supervised task appended to its own images, the rows of each task, and the targets.

    Returns the batch itself if no task is self-supervised. Own images that no task reads are left out.
    """
    made = {name: _view(kind, batch, seed, epoch, step) for name, kind in self_supervised(kinds).items()}
    if not made:
        return batch
    images, parts, start = [], {}, 0
    reads_own = [name for name in kinds if name not in made or made[name].images is None]
    if reads_own:
        images, start = [batch.images], len(batch.images)
        parts = dict.fromkeys(reads_own, slice(0, start))
    for name, view in made.items():
        if view.images is not None:
            images.append(view.images)
            parts[name] = slice(start, start + len(view.images))
            start = parts[name].stop
    layout = torch.channels_last if batch.images.is_contiguous(memory_format=torch.channels_last) and not batch.images.is_contiguous() else None
    joined = torch.cat(images) if len(images) > 1 else images[0]
    joined = joined.contiguous(memory_format=layout or torch.contiguous_format)
    targets = {kinds[name].task.target: view.target for name, view in made.items()}
    if all(part == slice(0, start) for part in parts.values()):
        parts = {}  # every task reads all rows
    return replace(batch, images=joined, targets={**batch.targets, **targets}, parts=parts)


def _view(kind: SelfSupervised, batch: Batch, seed: int, epoch: int, step: int) -> View:
    key = [seed, _VIEWS, epoch, step, zlib.crc32(kind.task.name.encode())]
    generator = torch.Generator("cpu").manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))
    return kind.view(batch.images, generator)


def drawn_views(kinds: Mapping[str, TaskKind], batch: Batch, seed: int = 0, step: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The views of each self-supervised task in a batch of an evaluation (number ``step``), and its targets, for drawing.

    Args:
        batch: without views.

    Returns:
        Task -> its input, uint8 (n, H, W, 3), and its target for ``draw_target``, of the first view of each image.
    """
    drawn = {}
    for name, kind in self_supervised(kinds).items():
        view, count = _view(kind, batch, seed, 0, step), len(batch.images)
        drawn[name] = kind.pixels(batch.images if view.images is None else view.images[:count]), kind.drawn_target(view, count)
    return drawn
