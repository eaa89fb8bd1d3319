"""Fixed weights: the sum of the losses, each times its ``loss_weight`` from the config."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torchjd.scalarization import Sum

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting


class Fixed(LossWeighting):
    """Weighted sum; TorchJD's ``Sum`` over the already weighted losses, and so its ``Constant`` too."""

    title: ClassVar[str] = "Fixed weights"
    summary: ClassVar[str] = "The sum of the losses, each times its loss weight."
    formula: ClassVar[str] = "L = sum_t L_t"
    when_to_use: ClassVar[str] = "First, always: it is the cheapest, and well-chosen fixed weights are hard to beat."

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = Sum()

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        return self.scalarizer(losses)  # an absent task's loss is the constant 0
