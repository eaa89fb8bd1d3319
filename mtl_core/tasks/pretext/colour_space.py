"""Conversion between sRGB and CIE L*a*b* (D65), and a grid of bins over the sRGB colours."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

# IEC 61966-2-1: linear sRGB -> XYZ, rows divided by the white point D65 so that white is (1, 1, 1).
_WHITE = torch.tensor([0.95047, 1.0, 1.08883], device="cpu")
_TO_XYZ = torch.tensor([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]], device="cpu")
_KNEE = (6 / 29) ** 3


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """(..., 3, H, W) in 0..1 -> L in 0..100, a and b in about -110..110."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    matrix = (_TO_XYZ / _WHITE[:, None]).to(rgb.device)
    xyz = torch.einsum("ij,...jhw->...ihw", matrix, linear)
    root = torch.where(xyz > _KNEE, xyz.clamp(min=_KNEE) ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = root.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """The inverse of ``rgb_to_lab``; colours outside of sRGB are clipped to 0..1."""
    light, a, b = lab.unbind(-3)
    y = (light + 16) / 116
    root = torch.stack([y + a / 500, y, y - b / 200], dim=-3)
    xyz = torch.where(root > 6 / 29, root**3, 3 * (6 / 29) ** 2 * (root - 4 / 29))
    matrix = torch.linalg.inv(_TO_XYZ / _WHITE[:, None]).to(lab.device)
    linear = torch.einsum("ij,...jhw->...ihw", matrix, xyz).clamp(0, 1)
    return torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


@cache
def colour_bins(step: int) -> Tensor:
    """(K, 2) float32: the points (a, b) of a grid of this step that are nearest to some sRGB colour, in a fixed order."""
    side = torch.linspace(0, 1, 33, device="cpu")
    cube = torch.stack(torch.meshgrid(side, side, side, indexing="ij")).view(3, -1, 1)
    ab = rgb_to_lab(cube)[1:, :, 0].T
    return (torch.unique((ab / step).round(), dim=0) * step).float()


@cache
def _bin_table(step: int) -> Tensor:
    """(M, M) int64: index of the bin nearest to each point of the grid."""
    bins, reach = colour_bins(step), 128 // step + 1
    side = torch.arange(-reach, reach + 1, dtype=torch.float32, device="cpu") * step
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1).view(-1, 2)
    return torch.cdist(grid, bins).argmin(1).view(len(side), len(side))


def nearest_bin(ab: Tensor, step: int) -> Tensor:
    """(n, 2, H, W) -> int64 (n, H, W), index into ``colour_bins``."""
    table, reach = _bin_table(step).to(ab.device), 128 // step + 1
    place = (ab / step).round().long().clamp(-reach, reach) + reach
    return table[place[:, 0], place[:, 1]]
