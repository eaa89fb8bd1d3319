"""Warp: one affine map of the plane applied to images, maps and boxes alike. Used by crop and affine.

Positions are continuous, as in boxes: pixel (row i, column j) covers j..j+1 in x and i..i+1 in y. Outside of the picture the border is repeated.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from mtl_core.data.augmentation.augmentation import Drawn, Sample, area, without_the_cut
from mtl_core.data.augmentation.shift import take_pixels
from mtl_core.data.moves import Move


def drawn_map(forward: np.ndarray) -> Drawn:
    """The input of ``warp``: the maps (n, 3, 3) from old to new positions, their inverses, and their magnification of lengths (n,)."""
    moved = {"forward": forward.astype(np.float32), "backward": np.linalg.inv(forward).astype(np.float32)}
    return moved | {"zoom": np.sqrt(np.abs(np.linalg.det(forward[:, :2, :2]))).astype(np.float32)}  # on the CPU, so that no device blocks


class Warped(Move):
    """Pictures under an affine map. ``drawn``: as ``drawn_map`` gives it."""

    def __init__(self, drawn: dict[str, Tensor], size: tuple[int, int]):
        self.old = self.new = size
        self.forward, self.zoom = drawn["forward"][:, :2], drawn["zoom"]
        self.x, self.y = _positions(drawn["backward"], *size)

    def maps(self, values: Tensor) -> Tensor:
        return take_pixels(values, self._sources)

    @cached_property
    def _sources(self) -> Tensor:
        height, width = self.old
        rows, columns = self.y.floor().long().clamp_(0, height - 1), self.x.floor().long().clamp_(0, width - 1)
        return (rows * width + columns).flatten(1)

    def boxes(self, values: Tensor) -> Tensor:
        """The smallest upright ones around the moved."""
        corners = torch.stack([values[..., [0, 1]], values[..., [2, 1]], values[..., [0, 3]], values[..., [2, 3]]], dim=2)  # (n, M, 4, 2)
        corners = torch.einsum("nij,nmkj->nmki", self.forward[:, :, :2], corners) + self.forward[:, None, None, :, 2]
        around = torch.cat([corners.amin(dim=2), corners.amax(dim=2)], dim=-1)
        height, width = self.old
        clipped = around.clamp(min=0).minimum(around.new_tensor([width, height, width, height]))
        return without_the_cut(torch.cat([clipped, values[..., 4:]], dim=-1), area(clipped), area(around))


def warp(sample: Sample, drawn: dict[str, Tensor]) -> None:
    """Move everything. Images are interpolated, maps take the nearest pixel's value."""
    (height, width), warped = sample.size, Warped(drawn, sample.size)
    grid = torch.stack([2 * warped.x / width - 1, 2 * warped.y / height - 1], dim=-1)
    sample.images = grid_sample(sample.images.to(torch.float32), grid, mode="bilinear", padding_mode="border", align_corners=False)
    sample.move(warped)


def _positions(backward: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Source positions of the new pixels' centres: x and y, each (n, H, W)."""
    rows = torch.arange(height, device=backward.device, dtype=torch.float32)[None, :, None] + 0.5
    columns = torch.arange(width, device=backward.device, dtype=torch.float32)[None, None, :] + 0.5
    entry = backward[:, :, :, None, None]
    return tuple(entry[:, row, 0] * columns + entry[:, row, 1] * rows + entry[:, row, 2] for row in (0, 1))  # type: ignore[return-value]
