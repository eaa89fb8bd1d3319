"""Colourisation: predicts the colours of an image from its grey version.

Source: Zhang, Isola and Efros 2016, "Colorful Image Colorization" (https://arxiv.org/abs/1603.08511): the class of a pixel is a bin of a grid over
(a, b) of CIE Lab, rare colours have a higher weight (eq. 4), and the prediction is the annealed mean of the bins (eq. 5).

Deviations: each pixel's class is its nearest bin, where the paper spreads it over the five nearest; the grid's step is an option (the paper's
is 10); the frequency of each bin is counted in up to 512 training images and smoothed only by mixing with the uniform distribution;
the network reads the grey image in all three channels; colours are predicted at half the image's height and width (the paper: a quarter).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy, interpolate

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.tasks.heads.dense_head import DenseHead
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement
from mtl_core.tasks.pretext.colour_space import colour_bins, lab_to_rgb, nearest_bin, rgb_to_lab
from mtl_core.tasks.pretext.self_supervised import SelfSupervised, View

FARTHEST = 150  # distances in (a, b) up to which the paper's accuracy is averaged
_LUMA = (0.299, 0.587, 0.114)


class ColourisationOptions(KindOptions):
    """Options of colourisation."""

    step: int = Field(20, ge=10, le=40, description="Distance between neighbouring bins of colour; the paper uses 10, for 313 bins.")
    rebalance: float = Field(
        0.5, ge=0, le=1, description="Weight of rare colours: 0 weighs all pixels equally, 1 all colours equally; the paper uses 0.5."
    )
    temperature: float = Field(0.38, gt=0, le=1, description="Of the annealed mean: near 0 the likeliest colour, at 1 the mean, which is greyish.")
    channels: int = Field(32, ge=8, le=256, description="Channels of the decoder.")


class ColourMeasurement(Measurement):
    """Metrics of the distances between predicted and true (a, b)."""

    def __init__(self, kind: Colourisation):
        self.kind = kind
        self.pixels = self.right = 0
        self.distance = self.area = 0.0

    def update(self, output: Tensor, target: Tensor) -> None:
        distance = torch.linalg.vector_norm(self.kind.annealed(output) - target[:, 1:], dim=1)
        self.pixels += distance.numel()
        self.distance += float(distance.double().sum())
        self.area += float((1 - distance.double() / FARTHEST).clamp(min=0).sum())
        self.right += int((output.argmax(1) == target[:, 0].long()).sum())

    def compute(self) -> dict[str, float]:
        pixels = self.pixels or math.nan
        return {"distance": self.distance / pixels, "auc": self.area / pixels, "accuracy": self.right / pixels}


class Colourisation(SelfSupervised):
    """Cross-entropy over bins of colour per pixel; rare colours have a higher weight."""

    title: ClassVar[str] = "Colourisation"
    summary: ClassVar[str] = "Predicts each pixel's colour from the grey image. For colour images."
    needs_map: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("distance", "Distance of the colours (a, b), mean", "", False),
        Metric("auc", "Share of pixels within a distance, mean over distances up to 150", "", True),
        Metric("accuracy", "Pixels with the right bin", "", True),
    )
    selection_metric: ClassVar[str] = "auc"
    Options = ColourisationOptions
    options: ColourisationOptions

    def __init__(self, task: Task, options: ColourisationOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        self.bins = colour_bins(options.step)
        self.class_weights = torch.ones(len(self.bins), device="cpu")

    @classmethod
    def misfit(cls, options: KindOptions, image_shape: tuple[int, int, int]) -> str:
        if image_shape[0] == 3:
            return ""
        return "the images of this data set are grey, so there is no colour to predict. Choose a data set in colour, or leave this task out"

    def measure(self, images: np.ndarray) -> None:
        counts = torch.zeros(len(self.bins), dtype=torch.float64)
        for start in range(0, len(images), 64):
            rgb = torch.from_numpy(images[start : start + 64].astype(np.float32) / 255)
            counts += torch.bincount(self._true(rgb)[:, 0].long().flatten(), minlength=len(self.bins))
        share = counts / counts.sum().clamp(min=1)
        wanted = 1 / ((1 - self.options.rebalance) * share + self.options.rebalance / len(share)).clamp(min=1e-12)
        self.class_weights = (wanted / (wanted * share).sum().clamp(min=1e-12)).float()

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        half = (max(1, self.image_size[0] // 2), max(1, self.image_size[1] // 2))
        return DenseHead(features, len(self.bins), half, self.options.channels)

    def view(self, images: Tensor, generator: torch.Generator) -> View:
        rgb = self.in_range(images)
        grey = (rgb * rgb.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True).expand_as(rgb)
        return View((grey - self.mean.to(rgb.device)) / self.std.to(rgb.device), self._true(rgb))

    def _true(self, rgb: Tensor) -> Tensor:
        """(n, 3, H/2, W/2): index of the bin, a, b."""
        ab = avg_pool2d(rgb_to_lab(rgb)[:, 1:], 2)
        return torch.cat([nearest_bin(ab, self.options.step)[:, None].to(ab.dtype), ab], dim=1)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean over pixels, weighted by colour. The weights' mean over training pixels is 1."""
        total, pixels = self.loss_parts(output, target)
        return total / pixels

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, int]:
        classes = target[:, 0].long()
        return cross_entropy(output, classes, weight=self.class_weights.to(output.device), reduction="sum"), classes.numel()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def annealed(self, output: Tensor) -> Tensor:
        """Logits (n, K, h, w) -> (n, 2, h, w): the mean of the bins under the sharpened distribution."""
        likely = (output.float() / self.options.temperature).softmax(1)
        return torch.einsum("nkhw,kc->nchw", likely, self.bins.to(output.device))

    def decode(self, output: Tensor) -> np.ndarray:
        """float16 (n, 2, H, W): a and b."""
        return interpolate(self.annealed(output), size=self.image_size, mode="bilinear").half().cpu().numpy()

    def drawn_target(self, view: View, count: int) -> np.ndarray:
        """float16 (n, 2, H, W)."""
        return interpolate(view.target[:count, 1:], size=self.image_size, mode="nearest").half().cpu().numpy()

    def measurement(self) -> Measurement:
        return ColourMeasurement(self)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        """The grey image, coloured with the target."""
        grey = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)
        lab = torch.cat([rgb_to_lab(grey)[:1], torch.from_numpy(target.astype(np.float32))])
        return Drawing(enlarge(lab_to_rgb(lab).mul(255).round().byte().permute(1, 2, 0).numpy(), scale), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)
