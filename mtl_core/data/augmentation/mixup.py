"""Mixup. Source: H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv:1710.09412.

As in the authors' code, one share is drawn for a batch, and the losses are mixed instead of the targets, which is the same for cross-entropy. If an
image or its partner has no target, the loss uses the other target alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Mix, Sample


class Mixup(Augmentation):
    """Blends each image with another one of the batch; the loss blends both targets in the same shares."""

    title = "Mixup"
    summary = "Blends each image with another one of the batch; the loss blends both targets in the same shares."
    source = 'H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv:1710.09412'
    settings = ("mixup",)

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        return {"share": np.array(random.beta(self.config.mixup, self.config.mixup)), "partner": random.permutation(count)}

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        share, partner = float(drawn["share"]), drawn["partner"]
        images = sample.images.to(torch.float32)
        sample.images = torch.lerp(images[partner], images, share)
        sample.mix = Mix(share, partner)
