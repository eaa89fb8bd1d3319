"""Random changes of training images, drawn for each image of a batch; boxes, masks and depth follow exactly.

Targets of the whole image (classes, counts, slant, ...) stay as they are, also where a shift pushes an object out of the picture: keep
``shift`` small against the objects. A mirrored digit is another shape, and its slant has the other sign: ``flip`` is off by default.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mtl_core.config import AugmentationConfig
from mtl_core.data.dataset import PADDING

LEAST_KEPT = 0.25  # of a box's area; with less of it left in the picture the box is dropped


@dataclass(frozen=True)
class Changes:
    """What happens to each of n images: first the mirror, then the shift.

    Attributes:
        flip: bool (n,), mirror left-right; None for nowhere.
        shift: int64 (n, 2), pixels to the right and down; None for nowhere.
        brightness: float32 (n,), added, as a share of the full range; None for 0.
        contrast: float32 (n,), factor about the image's mean; None for 1.
    """

    flip: Tensor | None = None
    shift: Tensor | None = None
    brightness: Tensor | None = None
    contrast: Tensor | None = None

    @property
    def moves(self) -> bool:
        """Whether pixels change place."""
        return self.flip is not None or self.shift is not None

    @property
    def recolours(self) -> bool:
        """Whether pixels change value."""
        return self.brightness is not None or self.contrast is not None


def draw_changes(config: AugmentationConfig, count: int, random: np.random.Generator, device: torch.device) -> Changes:
    """Changes for ``count`` images. What is drawn depends on ``random`` only, not on the device."""

    def on_device(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device, non_blocking=True)

    def spread(most: float) -> np.ndarray:
        return random.uniform(-most, most, count).astype(np.float32)

    return Changes(
        flip=on_device(random.random(count) < 0.5) if config.flip else None,
        shift=on_device(random.integers(-config.shift, config.shift, (count, 2), endpoint=True)) if config.shift else None,
        brightness=on_device(spread(config.brightness)) if config.brightness else None,
        contrast=on_device(1 + spread(config.contrast)) if config.contrast else None,
    )


def pixel_sources(changes: Changes, count: int, height: int, width: int) -> Tensor:
    """Where each pixel of the moved picture comes from: int64 (count, height * width), an index into the flattened picture."""
    device = (changes.flip if changes.shift is None else changes.shift).device
    rows = torch.arange(height, device=device).expand(count, height)
    columns = torch.arange(width, device=device).expand(count, width)
    if changes.shift is not None:
        columns = (columns - changes.shift[:, :1]).clamp_(0, width - 1)
        rows = (rows - changes.shift[:, 1:]).clamp_(0, height - 1)
    if changes.flip is not None:
        columns = torch.where(changes.flip[:, None], width - 1 - columns, columns)
    return (rows[:, :, None] * width + columns[:, None, :]).view(count, height * width)


def move_pixels(pixels: Tensor, sources: Tensor) -> Tensor:
    """Images (n, C, H, W) or maps (n, H, W) of any type, moved as ``pixel_sources`` says; what comes in from outside repeats the border."""
    if pixels.ndim == 3:
        return pixels.flatten(1).gather(1, sources).view(pixels.shape)
    return pixels.flatten(2).gather(2, sources[:, None].expand(-1, pixels.shape[1], -1)).view(pixels.shape)


def move_boxes(boxes: Tensor, changes: Changes, height: int, width: int) -> Tensor:
    """Boxes (n, M, 5), moved and clipped to the picture; one that keeps less than ``LEAST_KEPT`` of its area becomes padding."""
    x1, y1, x2, y2, classes = boxes.unbind(-1)
    if changes.flip is not None:
        flip = changes.flip[:, None]
        x1, x2 = torch.where(flip, width - x2, x1), torch.where(flip, width - x1, x2)
    area = (x2 - x1) * (y2 - y1)
    if changes.shift is not None:
        right, down = changes.shift[:, :1], changes.shift[:, 1:]
        x1, x2 = ((x + right).clamp(0, width) for x in (x1, x2))
        y1, y2 = ((y + down).clamp(0, height) for y in (y1, y2))
    kept = (classes >= 0) & ((x2 - x1) * (y2 - y1) >= LEAST_KEPT * area)
    moved = torch.stack([x1, y1, x2, y2], dim=-1)
    return torch.cat([moved.where(kept[..., None], 0), classes.where(kept, PADDING)[..., None]], dim=-1)


def recolour(images: Tensor, changes: Changes, full: float) -> Tensor:
    """Float images (n, C, H, W) in 0..``full`` with contrast and then brightness changed, cut off at the ends of the range. Works in place."""
    if not changes.recolours:
        return images
    if changes.contrast is not None:
        contrast = changes.contrast[:, None, None, None]
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images.mul_(contrast).add_(mean * (1 - contrast))
    if changes.brightness is not None:
        images.add_(full * changes.brightness[:, None, None, None])
    return images.clamp_(0, full)
