"""Warp: one affine map of the plane applied to images, maps and boxes alike. Used by crop and affine.

Positions are continuous, as in boxes: pixel (row i, column j) covers j..j+1 in x and i..i+1 in y. Outside of the picture the border is repeated.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from mtl_core.data.augmentation.augmentation import Drawn, Sample, area, without_the_cut
from mtl_core.data.augmentation.shift import take_pixels
from mtl_core.data.target_geometry import MAPS


def drawn_map(forward: np.ndarray) -> Drawn:
    """The input of ``warp``: the maps (n, 3, 3) from old to new positions, their inverses, and their magnification of lengths (n,)."""
    moved = {"forward": forward.astype(np.float32), "backward": np.linalg.inv(forward).astype(np.float32)}
    return moved | {"zoom": np.sqrt(np.abs(np.linalg.det(forward[:, :2, :2]))).astype(np.float32)}  # on the CPU, so that no device blocks


def warp(sample: Sample, drawn: dict[str, Tensor]) -> None:
    """Warp a sample. Images are interpolated, maps take the nearest pixel, boxes become the smallest upright boxes around the warped ones."""
    height, width = sample.size
    x, y = _positions(drawn["backward"], height, width)
    grid = torch.stack([2 * x / width - 1, 2 * y / height - 1], dim=-1)
    sample.images = grid_sample(sample.images.to(torch.float32), grid, mode="bilinear", padding_mode="border", align_corners=False)
    rows, columns = y.floor().long().clamp_(0, height - 1), x.floor().long().clamp_(0, width - 1)
    sources = (rows * width + columns).flatten(1)
    zoom = drawn["zoom"][:, None, None]
    for name, target in sample.targets.items():
        geometry = sample.geometry(name)
        if geometry in MAPS:
            moved = take_pixels(target, sources)
            # An object that looks twice as large to the same camera is half as far away, and its inverse depth is twice as large.
            sample.targets[name] = moved / zoom if geometry == "depth" else moved * zoom if geometry == "inverse_depth" else moved
        elif geometry == "boxes":
            sample.targets[name] = _moved(target, drawn["forward"], height, width)
    sample.move_numbers(drawn["forward"])


def _positions(backward: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Source positions of the new pixels' centres: x and y, each (n, H, W)."""
    rows = torch.arange(height, device=backward.device, dtype=torch.float32)[None, :, None] + 0.5
    columns = torch.arange(width, device=backward.device, dtype=torch.float32)[None, None, :] + 0.5
    entry = backward[:, :, :, None, None]
    return tuple(entry[:, row, 0] * columns + entry[:, row, 1] * rows + entry[:, row, 2] for row in (0, 1))  # type: ignore[return-value]


def _moved(boxes: Tensor, forward: Tensor, height: int, width: int) -> Tensor:
    corners = torch.stack([boxes[..., [0, 1]], boxes[..., [2, 1]], boxes[..., [0, 3]], boxes[..., [2, 3]]], dim=2)  # (n, M, 4, 2)
    corners = torch.einsum("nij,nmkj->nmki", forward[:, :2, :2], corners) + forward[:, None, None, :2, 2]
    around = torch.cat([corners.amin(dim=2), corners.amax(dim=2)], dim=-1)
    limits = around.new_tensor([width, height, width, height])
    clipped = around.clamp(min=0).minimum(limits)
    return without_the_cut(torch.cat([clipped, boxes[..., 4:]], dim=-1), area(clipped), area(around))
