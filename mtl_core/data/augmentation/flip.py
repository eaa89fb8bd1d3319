"""Horizontal flip."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample
from mtl_core.data.moves import Move


class Mirror(Move):
    """Some pictures are mirrored left-right. ``flip``: bool (n,)."""

    def __init__(self, flip: Tensor, size: tuple[int, int]):
        self.old = self.new = size
        self.mirrored = flip
        self.forward = torch.eye(2, 3, device=flip.device).repeat(len(flip), 1, 1)
        self.forward[:, 0, 0] = torch.where(flip, -1.0, 1.0)
        self.forward[:, 0, 2] = torch.where(flip, float(size[1]), 0.0)

    def maps(self, values: Tensor) -> Tensor:
        return torch.where(self.mirrored.view(-1, *[1] * (values.ndim - 1)), values.flip(-1), values)

    def boxes(self, values: Tensor) -> Tensor:
        """Nothing is cut off: the picture's edges change places."""
        x1, y1, x2, y2, classes = values.unbind(-1)
        width, flip = self.old[1], self.mirrored[:, None] & (classes >= 0)  # padding stays zero
        return torch.stack([torch.where(flip, width - x2, x1), y1, torch.where(flip, width - x1, x2), y2, classes], dim=-1)


class Flip(Augmentation):
    """Mirrors each image with probability 1/2."""

    title = "Flip"
    summary = "Mirrors each image left-right with probability 1/2. Not for digits and letters: a mirrored character is another one or none."
    settings = ("flip",)

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        return {"flip": random.random(count) < 0.5}

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        mirror = Mirror(drawn["flip"], sample.size)
        sample.images = mirror.maps(sample.images)
        sample.move(mirror)
