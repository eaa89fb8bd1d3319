"""Self-supervised tasks: their targets are made from the pixels, so that they fit any data set and need no label.

A task of this sort changes the images first (turns, shuffles or hides parts of them), so it sees *views* of its own: in a joint step the
views of all such tasks go through the shared network together with the batch's own images (``with_views``), and each head reads its own
rows. What is drawn is a function of (seed, epoch, step, task name) alone: a resumed run sees the same views, and an evaluation sees the
same ones every time.
"""

from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.batches import Batch
from mtl_core.data.dataset import Task
from mtl_core.tasks.kind import KindOptions, TaskKind

_VIEWS = 5  # stream of random numbers, beside those of ``mtl_core.data.batches``
_SMALLEST_STD = 1 / 255  # of a constant channel, as batches are normalised
SEEN_IMAGES = 512  # training images at most that ``measure`` is shown


@dataclass(frozen=True)
class View:
    """What one self-supervised task makes of n images.

    Attributes:
        images: normalised (m, C, H, W), m a multiple of n: first one view of every image, then the next of every image; None for the
            images as they are.
        target: m rows.
    """

    images: Tensor | None
    target: Tensor


class SelfSupervised(TaskKind):
    """Parent of the kinds whose targets are made from the pixels.

    Class attributes:
        summary: one sentence for the form.
        images_at_least: the smallest batch from which there is something to learn.
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
        """The task as the run records it. Its target is made, not read."""
        return Task(name, name, f"made/{name}", title=cls.title)

    @classmethod
    def misfit(cls, options: KindOptions, image_shape: tuple[int, int, int]) -> str:
        """Why it can't be learnt from images of this shape (C, H, W), as a sentence that says what to do; empty where it can."""
        return ""

    def measure(self, images: np.ndarray) -> None:
        """Look at some training images, uint8 (n, C, H, W), before the run begins."""

    @abstractmethod
    def view(self, images: Tensor, generator: torch.Generator) -> View:
        """Changed images and their targets.

        Args:
            images: normalised, float32 (n, C, H, W).
            generator: everything random is drawn from it, on the CPU, so that every device draws the same.
        """

    def drawn_target(self, view: View, count: int) -> np.ndarray:
        """The target of the first view of each of ``count`` images, as ``draw_target`` takes it."""
        return view.target[:count].cpu().numpy()

    def first_views(self, output: Any, count: int) -> Any:
        """What ``decode`` needs of the output to say something about the first view of each of ``count`` images."""
        return self.select(output, torch.arange(count))

    def numbered(self, predictions: np.ndarray, start: int) -> np.ndarray:
        """Predictions of a batch whose first image has the number ``start``; for kinds that name another image of the batch."""
        return predictions

    def pixels(self, images: Tensor) -> np.ndarray:
        """Normalised images -> uint8 (n, H, W, 3), for drawing."""
        shown = self.in_range(images.float().cpu()).mul(255).round().to(torch.uint8)
        return shown.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()

    def in_range(self, images: Tensor) -> Tensor:
        """Normalised images -> 0..1."""
        return (images * self.std.to(images.device) + self.mean.to(images.device)).clamp(0, 1)


def with_views(batch: Batch, kinds: Mapping[str, TaskKind], seed: int, epoch: int, step: int) -> Batch:
    """The batch with every self-supervised task's views behind its own images, which rows each task reads, and the targets made.

    The batch itself where no task is self-supervised. Own images that no task reads are left out.
    """
    made = {name: _view(kind, batch, seed, epoch, step) for name, kind in kinds.items() if kind.is_self_supervised}
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
        parts = {}  # everybody reads everything
    return replace(batch, images=joined, targets={**batch.targets, **targets}, parts=parts)


def _view(kind: SelfSupervised, batch: Batch, seed: int, epoch: int, step: int) -> View:
    key = [seed, _VIEWS, epoch, step, zlib.crc32(kind.task.name.encode())]
    generator = torch.Generator("cpu").manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))
    return kind.view(batch.images, generator)


def drawn_views(kinds: Mapping[str, TaskKind], batch: Batch, seed: int = 0, step: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What each self-supervised task sees of a batch of an evaluation (the first one, unless ``step`` says which), and its targets, for drawing.

    Args:
        batch: without views.

    Returns:
        Task -> its input as uint8 (n, H, W, 3) and its target as ``draw_target`` takes it, of the first view of each image.
    """
    drawn = {}
    for name, kind in kinds.items():
        if kind.is_self_supervised:
            view, count = _view(kind, batch, seed, 0, step), len(batch.images)
            drawn[name] = kind.pixels(batch.images if view.images is None else view.images[:count]), kind.drawn_target(view, count)
    return drawn
