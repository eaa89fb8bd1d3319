"""Random crop, enlarged to the whole image."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample
from mtl_core.data.augmentation.warp import drawn_map, warp
from mtl_core.data.dataset import Task
from mtl_core.data.target_geometry import may_count


class Crop(Augmentation):
    """Cuts out a random part with the image's proportions and enlarges it."""

    title = "Crop"
    summary = (
        "A random part of the image is enlarged to the whole; proportions stay. Depth is divided by the enlargement, inverse depth multiplied by it."
    )
    settings = ("crop",)

    @classmethod
    def remark(cls, config, task: Task) -> str:
        return "what is cut off still counts in this task's target" if may_count(task) else ""

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        kept = 1 - random.uniform(0, self.config.crop, count)
        corner = random.random((count, 2)) * (1 - kept)[:, None] * np.array([size[1], size[0]])
        forward = np.zeros((count, 3, 3))
        forward[:, 0, 0] = forward[:, 1, 1] = 1 / kept
        forward[:, :2, 2] = -corner / kept[:, None]
        forward[:, 2, 2] = 1
        return drawn_map(forward)

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        warp(sample, drawn)
