"""Cutout. Source: T. DeVries and G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017, arXiv:1708.04552."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample, area, without_the_cut
from mtl_core.data.dataset import IGNORE, Task
from mtl_core.data.target_geometry import MAPS, VECTORS, may_count


class Cutout(Augmentation):
    """Blanks out a random square, which may reach over the border. Masks and depth under it become unknown."""

    title = "Cutout"
    summary = "Blanks out a square with the mean colour. Masks and depth under it are ignored; boxes hidden by more than three quarters are dropped."
    source = 'T. DeVries and G. W. Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017, arXiv:1708.04552'
    settings = ("cutout",)

    @classmethod
    def remark(cls, config, task: Task) -> str:
        return "what is blanked out still counts in this task's target" if may_count(task) else ""

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        height, width = size
        side = max(1, round(self.config.cutout * min(size)))
        corner = np.stack([random.integers(0, width, count), random.integers(0, height, count)], axis=1) - side // 2
        hole = np.concatenate([corner, corner + side], axis=1)
        return {"hole": hole.clip(0, [width, height, width, height])}

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        hole, (height, width) = drawn["hole"], sample.size
        x1, y1, x2, y2 = (hole[:, side, None] for side in range(4))
        rows, columns = (torch.arange(side, device=hole.device)[None] for side in (height, width))
        under = ((rows >= y1) & (rows < y2))[:, :, None] & ((columns >= x1) & (columns < x2))[:, None, :]
        sample.images = torch.where(under[:, None], sample.mean, sample.images.to(torch.float32))
        for name, target in sample.targets.items():
            if sample.geometry(name) in MAPS:
                sample.targets[name] = target.masked_fill(under, float("nan") if target.is_floating_point() else IGNORE)
            elif sample.geometry(name) == VECTORS:
                sample.targets[name] = target.masked_fill(under[:, None], 0.0)
            elif sample.geometry(name) == "boxes":
                sample.targets[name] = _seen(target, hole[:, None].to(target.dtype))
            elif sample.geometry(name) == "points":
                sample.targets[name] = _hidden(target, hole[:, None].to(target.dtype), sample.size)


def _hidden(points: Tensor, hole: Tensor, size: tuple[int, int]) -> Tensor:
    """Points (n, K, 3): a visible one under the hole is hidden from now on."""
    x, y, seen = points[..., 0] * size[1], points[..., 1] * size[0], points[..., 2]
    under = (x >= hole[..., 0]) & (x < hole[..., 2]) & (y >= hole[..., 1]) & (y < hole[..., 3])
    return torch.stack([points[..., 0], points[..., 1], torch.where(under, seen.clamp(max=1), seen)], dim=-1)


def _seen(boxes: Tensor, hole: Tensor) -> Tensor:
    inside = torch.cat([boxes[..., :2].maximum(hole[..., :2]), boxes[..., 2:4].minimum(hole[..., 2:])], dim=-1)
    hidden = (inside[..., 2:] - inside[..., :2]).clamp(min=0).prod(dim=-1)
    whole = area(boxes[..., :4])
    return without_the_cut(boxes, whole - hidden, whole)
