"""Horizontal flip."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample
from mtl_core.data.target_geometry import MAPS


class Flip(Augmentation):
    """Mirrors each image with probability 1/2."""

    title = "Flip"
    summary = "Mirrors each image left-right with probability 1/2. Not for digits and letters: a mirrored character is another one or none."
    settings = ("flip",)

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        return {"flip": random.random(count) < 0.5}

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        flip, width = drawn["flip"], sample.size[1]
        sample.images = torch.where(flip[:, None, None, None], sample.images.flip(-1), sample.images)
        for name, target in sample.targets.items():
            if sample.geometry(name) in MAPS:
                sample.targets[name] = torch.where(flip[:, None, None], target.flip(-1), target)
            elif sample.geometry(name) == "normals":  # the x component changes its sign
                mirrored = target.flip(-1) * target.new_tensor([-1, 1, 1]).view(1, 3, 1, 1)
                sample.targets[name] = torch.where(flip[:, None, None, None], mirrored, target)
            elif sample.geometry(name) == "boxes":
                sample.targets[name] = _mirrored(target, flip[:, None], width)
        sample.move_numbers(_mirror(flip, width), flip)


def _mirror(flip: Tensor, width: int) -> Tensor:
    """Maps (n, 2, 3): x' = width - x for mirrored images, else the identity."""
    forward = torch.eye(2, 3, device=flip.device).repeat(len(flip), 1, 1)
    forward[:, 0, 0] = torch.where(flip, -1.0, 1.0)
    forward[:, 0, 2] = torch.where(flip, float(width), 0.0)
    return forward


def _mirrored(boxes: Tensor, flip: Tensor, width: int) -> Tensor:
    x1, y1, x2, y2, classes = boxes.unbind(-1)
    flip = flip & (classes >= 0)  # padding stays zero
    return torch.stack([torch.where(flip, width - x2, x1), y1, torch.where(flip, width - x1, x2), y2, classes], dim=-1)
