"""Saturation, contrast and brightness."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Sample
from mtl_core.data.preprocessing.recolour import LUMA

FULL = 255.0


class Colour(Augmentation):
    """Changes brightness, contrast and saturation; no pixel moves."""

    title = "Colour"
    summary = "Changes saturation, then contrast about the image's mean, then brightness; cut off at black and white."
    settings = ("brightness", "contrast", "saturation")

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        drawn: Drawn = {}
        if self.config.brightness:
            drawn["brightness"] = _spread(random, self.config.brightness, count)
        if self.config.contrast:
            drawn["contrast"] = 1 + _spread(random, self.config.contrast, count)
        if self.config.saturation:
            drawn["saturation"] = 1 + _spread(random, self.config.saturation, count)
        return drawn

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        images = sample.images.to(torch.float32, copy=True)
        if "saturation" in drawn and images.shape[1] == 3:
            grey = torch.einsum("nchw,c->nhw", images, images.new_tensor(LUMA))[:, None]
            images = torch.lerp(grey, images, drawn["saturation"][:, None, None, None])
        if "contrast" in drawn:
            contrast = drawn["contrast"][:, None, None, None]
            mean = images.mean(dim=(1, 2, 3), keepdim=True)
            images.mul_(contrast).add_(mean * (1 - contrast))
        if "brightness" in drawn:
            images.add_(FULL * drawn["brightness"][:, None, None, None])
        sample.images = images.clamp_(0, FULL)


def _spread(random: np.random.Generator, most: float, count: int) -> np.ndarray:
    return random.uniform(-most, most, count).astype(np.float32)
