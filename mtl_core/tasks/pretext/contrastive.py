"""Contrastive: finds the other view of the same image among all views of the batch.

Source: Chen, Kornblith, Norouzi and Hinton 2020, "A Simple Framework for Contrastive Learning of Visual Representations" (SimCLR,
https://arxiv.org/abs/2002.05709): two random views of each image, a projection head, the NT-Xent loss (eq. 1).

Deviations: views are cropped, mirrored (an option: it changes digits), made lighter or darker and of more or less contrast; no blur, and for
colour images a random grey in place of the paper's full colour jitter. The loss and the metric depend on the batch size: compare
them only at one batch size. The last batch of an evaluation may hold fewer images, and is easier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, normalize, relu

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.language import tr
from mtl_core.tasks.heads.pooled_head import PooledHead
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement
from mtl_core.tasks.pretext.self_supervised import SelfSupervised, View


class ContrastiveOptions(KindOptions):
    """Options of contrastive learning."""

    temperature: float = Field(0.2, gt=0, le=2, description="Divisor of the cosines; lower weighs similar views more. The paper tries 0.05 to 1.")
    projection: int = Field(64, ge=8, le=512, description="Length of the vectors that are compared; the paper uses 128.")
    smallest_crop: float = Field(0.5, gt=0, le=1, description="Smallest share of the image's area in a view; the paper uses 0.08.")
    mirror: bool = Field(False, description="Mirror views left-right at random. Not for digits or text, whose meaning it changes.")
    jitter: float = Field(0.4, ge=0, le=1, description="Largest change of brightness and of contrast.")


class ProjectionHead(nn.Module):
    """Pooled features -> hidden layer -> unit vectors, float32 (m, projection)."""

    def __init__(self, features: Sequence[FeatureInfo], projection: int):
        super().__init__()
        hidden = max(features[-1].channels, projection)
        self.hidden = PooledHead(features, hidden)
        self.project = nn.Linear(hidden, projection)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        return normalize(self.project(relu(self.hidden(features))).float(), dim=1)


class PairMeasurement(Measurement):
    """Share of views whose other view is the nearest in the batch, and the mean cosine of the two."""

    def __init__(self) -> None:
        self.found = self.rows = 0
        self.cosines = 0.0

    def update(self, output: Tensor, target: Tensor) -> None:
        if len(target) <= 2:
            return  # with one image there is no other view to compare with
        similar, partner = _cosines(output), _partners(target)
        self.found += int((similar.argmax(1) == partner).sum())
        self.cosines += float(similar.gather(1, partner[:, None]).sum())
        self.rows += len(target)

    def compute(self) -> dict[str, float]:
        rows = self.rows or float("nan")
        return {"found": self.found / rows, "alignment": self.cosines / rows}


class Contrastive(SelfSupervised):
    """NT-Xent loss: each view's cosine with its other view against the cosines with all other views of the batch."""

    title: ClassVar[str] = "Contrastive"
    summary: ClassVar[str] = "Finds the two random views of each image among all views in the batch."
    needs_map: ClassVar[bool] = False
    images_at_least: ClassVar[int] = 2
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("found", "Other view found in the batch", "", True),
        Metric("alignment", "Cosine of two views of an image", "", True),
    )
    selection_metric: ClassVar[str] = "found"
    Options = ContrastiveOptions
    options: ContrastiveOptions

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return ProjectionHead(features, self.options.projection)

    def view(self, images: Tensor, generator: torch.Generator) -> View:
        both = torch.cat([self._changed(images, generator), self._changed(images, generator)])
        return View(both, torch.arange(len(images), device=images.device).repeat(2))

    def _changed(self, images: Tensor, generator: torch.Generator) -> Tensor:
        options, count, device = self.options, len(images), images.device

        def drawn(low: float, high: float, *shape: int) -> Tensor:
            return low + (high - low) * torch.rand(count, *shape, generator=generator)

        side = drawn(options.smallest_crop, 1.0).sqrt()
        centre = drawn(-1, 1, 2) * (1 - side)[:, None]
        sign = torch.where(drawn(0, 1) < 0.5, -1.0, 1.0) if options.mirror else torch.ones(count)
        theta = torch.zeros(count, 2, 3)
        theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = side * sign, side, centre
        seen = grid_sample(images, affine_grid(theta.to(device), list(images.shape), align_corners=False), padding_mode="border", align_corners=False)
        contrast, brightness, grey = drawn(1 - options.jitter, 1 + options.jitter, 1, 1, 1), drawn(-1, 1, 1, 1, 1), drawn(0, 1, 1, 1, 1)
        pixels = self.in_range(seen)
        mean = pixels.mean((1, 2, 3), keepdim=True)
        pixels = (pixels - mean) * contrast.to(device) + mean + 0.5 * options.jitter * brightness.to(device)
        if self.channels == 3:
            pixels = torch.where(grey.to(device) < 0.2, pixels.mean(1, keepdim=True).expand_as(pixels), pixels)
        return (pixels.clamp(0, 1) - self.mean.to(device)) / self.std.to(device)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """NT-Xent over rows that hold two views of every image; ``target`` (m,) is the image of each row."""
        return cross_entropy(_cosines(output) / self.options.temperature, _partners(target))

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def first_views(self, output: Tensor, count: int) -> Tensor:
        return output  # decoding compares each view with all others

    def decode(self, output: Tensor) -> np.ndarray:
        """float32 (n, 3): cosine with the other view, the largest cosine with a view of another image, and the index of that image."""
        count = len(output) // 2
        similar = _cosines(output.float())[:count]
        rows = torch.arange(count, device=output.device)
        own = similar[rows, rows + count]
        others = similar.clone()
        others[rows, rows + count] = -torch.inf
        nearest, which = others.max(1)
        return torch.stack([own, nearest.clamp(min=-1), which % count], dim=1).float().cpu().numpy()

    def numbered(self, predictions: np.ndarray, start: int) -> np.ndarray:
        return predictions + np.array([0, 0, start], dtype=predictions.dtype)

    def measurement(self) -> Measurement:
        return PairMeasurement()

    def drawn_target(self, view: View, count: int) -> np.ndarray:
        """The other views, uint8 (n, H, W, 3)."""
        assert view.images is not None
        return self.pixels(view.images[count:])

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(target, scale), tr("other view"))

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        own, nearest, which = prediction.tolist()
        if own > nearest:
            return Drawing(enlarge(image, scale), tr("found ({similarity:.2f})", similarity=own))
        return Drawing(enlarge(image, scale), tr("took image {number} ({similarity:.2f})", number=int(which) + 1, similarity=nearest))


def _cosines(output: Tensor) -> Tensor:
    """(m, m) cosines of unit vectors; the diagonal is excluded."""
    similar = output @ output.T
    return similar.masked_fill(torch.eye(len(output), dtype=torch.bool, device=output.device), -torch.inf)


def _partners(target: Tensor) -> Tensor:
    """(m,) for each row, the row of the other view of its image."""
    same = (target[:, None] == target[None, :]).fill_diagonal_(False)
    return same.to(torch.uint8).argmax(1)
