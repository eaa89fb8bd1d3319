"""Mixup. Source: H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv:1710.09412.

As in the authors' code, one share is drawn for a batch, and the losses are mixed in place of the targets: for cross-entropy that is the same. An
image without a target, or whose partner has none, gives the loss of the one that is known.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mtl_core.data.augmentation.augmentation import Augmentation, Drawn, Mix, Sample


class Mixup(Augmentation):
    """Lays another image of the batch over each; each task learns both targets in the images' shares."""

    title = "Mixup"
    summary = "Lays another image of the batch over each; the loss is that of both targets, in the same shares."
    source = 'H. Zhang, M. Cisse, Y. N. Dauphin and D. Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv:1710.09412'
    settings = ("mixup",)

    def draw(self, count: int, size: tuple[int, int], random: np.random.Generator) -> Drawn:
        return {"share": np.array(random.beta(self.config.mixup, self.config.mixup)), "partner": random.permutation(count)}

    def apply(self, sample: Sample, drawn: dict[str, Tensor]) -> None:
        share, partner = float(drawn["share"]), drawn["partner"]
        images = sample.images.to(torch.float32)
        sample.images = torch.lerp(images[partner], images, share)
        sample.mix = Mix(share, partner)
