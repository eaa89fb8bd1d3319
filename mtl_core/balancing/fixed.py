"""Fixed weights: the sum of the losses, each times its ``loss_weight`` from the config."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from mtl_core.balancing.balancer import LossWeighting


class Fixed(LossWeighting):
    """Weighted sum, as TorchJD's ``Sum`` and ``Constant``. TorchJD is not imported: most first runs have fixed weights; its import takes 0.7 s."""

    title: ClassVar[str] = "Fixed weights"
    summary: ClassVar[str] = "The sum of the losses, each times its loss weight."
    formula: ClassVar[str] = "L = sum_t L_t"
    when_to_use: ClassVar[str] = "First, always: it is the cheapest, and well-chosen fixed weights are hard to beat."

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        return losses.sum()  # an absent task's loss is the constant 0
