"""Rotation and scaling about the centre."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample
from mtl_core.data.augmentation.warp import drawn_map, warp
from mtl_core.data.dataset import Task
from mtl_core.data.target_geometry import geometry_of


class Affine(Augmentation):
    """Rotates and scales each image about its centre; the border is repeated."""

    title = "Affine"
    summary = "Rotates each image about its centre (anticlockwise for positive angles) and scales it; the border is repeated."
    settings = ("rotation", "scale")

    @classmethod
    def remark(cls, config, task: Task) -> str:
        if config.rotation and geometry_of(task) == "boxes":
            return "a turned box becomes the smallest upright one around it, looser than what it holds"
        return ""

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        angle = np.radians(random.uniform(-self.config.rotation, self.config.rotation, count)) if self.config.rotation else np.zeros(count)
        zoom = 1 + random.uniform(-self.config.scale, self.config.scale, count) if self.config.scale else np.ones(count)
        cosine, sine = zoom * np.cos(angle), zoom * np.sin(angle)
        forward = np.zeros((count, 3, 3))
        forward[:, 0, 0], forward[:, 0, 1] = cosine, sine  # y grows downwards
        forward[:, 1, 0], forward[:, 1, 1] = -sine, cosine
        centre = np.array([size[1] / 2, size[0] / 2])
        forward[:, :2, 2] = centre - forward[:, :2, :2] @ centre
        forward[:, 2, 2] = 1
        return drawn_map(forward)

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        warp(sample, drawn)
