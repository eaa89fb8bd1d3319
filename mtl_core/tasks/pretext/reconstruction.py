"""Reconstruction: predicts the image from itself, from a noisy copy, or from a copy with hidden patches.

Sources: Vincent et al. 2008, "Extracting and Composing Robust Features with Denoising Autoencoders" (https://doi.org/10.1145/1390156.1390294);
He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners" (https://arxiv.org/abs/2111.06377).

Deviations: Gaussian noise (the first paper blanks inputs); hidden patches are filled with the mean colour and go through the convolutional
backbone with the rest, where the second paper leaves them out of a transformer; as in that paper, only hidden pixels count in the loss.
The decoder reads the coarsest feature only, because finer features would make copying too easy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import interpolate

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement
from mtl_core.tasks.pretext.self_supervised import SelfSupervised, View


class ReconstructionOptions(KindOptions):
    """Options of reconstruction. With neither noise nor hidden patches it is a plain autoencoder."""

    noise: float = Field(0.0, ge=0, le=1, description="Standard deviation of the noise added to the input, as a share of the full range (denoising).")
    mask_ratio: float = Field(0.5, ge=0, le=0.95, description="Share of hidden patches, which alone count in the loss; 0 for none.")
    patch: int = Field(4, ge=1, le=64, description="Side of a patch that is hidden.", json_schema_extra={"unit": "pixels"})
    channels: int = Field(64, ge=8, le=256, description="Channels of the decoder.")


class BottleneckDecoder(nn.Module):
    """Decodes the coarsest feature to pixels, by upsampling by 2 and smoothing up to the image's size. Output float32 (m, C, H, W).

    A vector is first mapped by one linear layer to a map of an eighth of the image's size.
    """

    def __init__(self, features: Sequence[FeatureInfo], channels: int, image_shape: tuple[int, int, int]):
        super().__init__()
        self.size = image_shape[1:]
        coarsest = features[-1]
        stride = coarsest.stride or 8
        self.layout = None
        if coarsest.stride is None:
            self.layout = tuple(max(1, math.ceil(side / stride)) for side in self.size)
            self.enter: nn.Module = nn.Linear(coarsest.channels, channels * self.layout[0] * self.layout[1])
        else:
            self.enter = nn.Conv2d(coarsest.channels, channels, 1)
        doublings = max(1, math.ceil(math.log2(stride)))
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
            for _ in range(doublings)
        )
        self.leave = nn.Conv2d(channels, image_shape[0], 3, padding=1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        decoded = self.enter(features[-1])
        if self.layout is not None:
            decoded = decoded.view(len(decoded), -1, *self.layout)
        for stage in self.stages[:-1]:
            decoded = stage(interpolate(decoded, scale_factor=2.0, mode="nearest"))
        return self.leave(self.stages[-1](interpolate(decoded, size=self.size, mode="nearest"))).float()


class PixelMeasurement(Measurement):
    """R2 and PSNR over the pixels that count (those of the target that are not NaN).

    R2 is relative to the variance about each channel's mean over all batches, so that predicting the mean colour gives 0, whatever the
    standardisation.

    Args:
        std: (1, C, 1, 1), factor from normalised errors to shares of the full range.
    """

    def __init__(self, std: Tensor):
        self.std = std
        self.pixels, self.errors, self.squares = 0, 0.0, 0.0
        self.count, self.sums, self.square_sums = (torch.zeros(std.shape[1], dtype=torch.float64) for _ in range(3))  # of each channel

    def update(self, output: Tensor, target: Tensor) -> None:
        known = torch.isfinite(target)
        error = torch.where(known, output - target, 0.0)
        self.pixels += int(known.sum())
        self.errors += float(error.double().square().sum())
        self.squares += float((error * self.std.to(error.device)).double().square().sum())
        true = torch.where(known, target, 0.0).cpu().double()
        self.count += known.expand_as(target).cpu().sum((0, 2, 3))
        self.sums += true.sum((0, 2, 3))
        self.square_sums += true.square().sum((0, 2, 3))

    def compute(self) -> dict[str, float]:
        if not self.pixels:
            return {"r2": math.nan, "psnr": math.nan}
        spread = float((self.square_sums - self.sums.square() / self.count.clamp(min=1)).clamp(min=0).sum())
        r2 = 1 - self.errors / spread if spread > 1e-9 * float(self.square_sums.sum()) else math.nan  # below: rounding, all pixels are equal
        return {"r2": r2, "psnr": -10 * math.log10(max(self.squares / self.pixels, 1e-12))}


class Reconstruction(SelfSupervised):
    """Mean squared error of the normalised pixels: all pixels, or only the hidden ones if some are hidden."""

    title: ClassVar[str] = "Reconstruction"
    summary: ClassVar[str] = "Predicts the image from a noisy copy or a copy with hidden patches (or from itself: an autoencoder)."
    needs_map: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("r2", "R2 of the pixels (1 exact, 0 no better than the mean colour)", "", True),
        Metric("psnr", "Peak signal-to-noise ratio", "dB", True),
    )
    selection_metric: ClassVar[str] = "r2"
    Options = ReconstructionOptions
    options: ReconstructionOptions

    @classmethod
    def misfit(cls, options: ReconstructionOptions, image_shape: tuple[int, int, int]) -> str:
        if options.mask_ratio and options.patch > min(image_shape[1:]) // 2:
            return (
                f"patches of {options.patch} pixels leave fewer than 2 x 2 of them in images of {image_shape[1]} x {image_shape[2]}; "
                "take smaller patches or a mask_ratio of 0"
            )
        return ""

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return BottleneckDecoder(features, self.options.channels, (self.channels, *self.image_size))

    def view(self, images: Tensor, generator: torch.Generator) -> View:
        options, device = self.options, images.device
        if not options.noise and not options.mask_ratio:
            return View(None, images)
        changed, target = images, images
        if options.noise:
            noise = torch.randn(images.shape, generator=generator).to(device)
            changed = images + noise * options.noise / self.std.to(device)
        if options.mask_ratio:
            hidden = self._hidden(len(images), generator).to(device)
            changed = torch.where(hidden, self.mean_colour.to(device), changed)
            target = torch.where(hidden, images, torch.nan)
        return View(changed, target)

    def _hidden(self, count: int, generator: torch.Generator) -> Tensor:
        """bool (n, 1, H, W): the same number of random patches in every image; at least one is hidden and one is not."""
        patch = self.options.patch
        rows, columns = (math.ceil(side / patch) for side in self.image_size)
        chosen = min(max(1, round(self.options.mask_ratio * rows * columns)), rows * columns - 1)
        order = torch.rand(count, rows * columns, generator=generator).argsort(1)
        hidden = torch.zeros(count, rows * columns, dtype=torch.bool).scatter_(1, order[:, :chosen], True)
        pixels = hidden.view(count, 1, rows, columns).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
        return pixels[:, :, : self.image_size[0], : self.image_size[1]]

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        total, known = self.loss_parts(output, target)
        return total / known.clamp(min=1)

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        known = torch.isfinite(target)
        error = torch.where(known, output - torch.where(known, target, 0.0), 0.0)
        return error.square().sum(), known.sum()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        """uint8 (n, H, W, 3)."""
        return self.pixels(output)

    def measurement(self) -> Measurement:
        return PixelMeasurement(self.std)

    def drawn_target(self, view: View, count: int) -> np.ndarray:
        """uint8 (n, H, W, 3); pixels that don't count are grey."""
        target = view.target[:count].cpu()
        known = torch.isfinite(target).all(1, keepdim=True).permute(0, 2, 3, 1).numpy()
        return np.where(known, self.pixels(target.nan_to_num()), np.uint8(128))

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(target, scale), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(prediction, scale), "")
