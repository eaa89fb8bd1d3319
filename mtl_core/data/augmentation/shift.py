"""Shift by whole pixels."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample, area, without_the_cut
from mtl_core.data.moves import Move


class Shifted(Move):
    """Pictures moved by whole pixels. ``shift``: int64 (n, 2), to the right and down."""

    def __init__(self, shift: Tensor, size: tuple[int, int]):
        self.old = self.new = size
        self.shift, self.sources = shift, pixel_sources(shift, *size)
        self.forward = torch.eye(2, 3, device=shift.device).repeat(len(shift), 1, 1)
        self.forward[:, :, 2] = shift

    def maps(self, values: Tensor) -> Tensor:
        return take_pixels(values, self.sources)

    def boxes(self, values: Tensor) -> Tensor:
        x1, y1, x2, y2, classes = values.unbind(-1)
        (height, width), right, down = self.old, self.shift[:, :1], self.shift[:, 1:]
        x1, x2 = ((x + right).clamp(0, width) for x in (x1, x2))
        y1, y2 = ((y + down).clamp(0, height) for y in (y1, y2))
        cut = torch.stack([x1, y1, x2, y2, classes], dim=-1)
        return without_the_cut(cut, area(cut[..., :4]), area(values[..., :4]))


class Shift(Augmentation):
    """Moves each image by whole pixels; the border is repeated."""

    title = "Shift"
    summary = "Moves each image by whole pixels, horizontally and vertically; the border is repeated. Keep it small compared with the objects."
    settings = ("shift",)

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        return {"shift": random.integers(-self.config.shift, self.config.shift, (count, 2), endpoint=True)}

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        shifted = Shifted(drawn["shift"], sample.size)
        sample.images = shifted.maps(sample.images)
        sample.move(shifted)


def pixel_sources(shift: Tensor, height: int, width: int) -> Tensor:
    """The source of each pixel of the shifted picture: int64 (n, height * width), an index into the flattened picture.

    Args:
        shift: int64 (n, 2), pixels to the right and down.
    """
    rows = torch.arange(height, device=shift.device).expand(len(shift), height)
    columns = torch.arange(width, device=shift.device).expand(len(shift), width)
    columns = (columns - shift[:, :1]).clamp_(0, width - 1)
    rows = (rows - shift[:, 1:]).clamp_(0, height - 1)
    return (rows[:, :, None] * width + columns[:, None, :]).view(len(shift), height * width)


def take_pixels(pixels: Tensor, sources: Tensor) -> Tensor:
    """Images (n, C, H, W) or maps (n, H, W) of any type, with each pixel taken from ``sources`` (n, H * W)."""
    if pixels.ndim == 3:
        return pixels.flatten(1).gather(1, sources).view(pixels.shape)
    return pixels.flatten(2).gather(2, sources[:, None].expand(-1, pixels.shape[1], -1)).view(pixels.shape)
