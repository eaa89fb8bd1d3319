"""Fixed weights: the sum of the losses, each times its ``loss_weight`` from the config."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from mtl_core.balancing.balancer import LossWeighting


class Fixed(LossWeighting):
    """Weighted sum, as TorchJD's ``Sum`` and ``Constant``.

    TorchJD is not imported: most first runs have fixed weights, and its import takes up to 0.7 s.
    """

    title: ClassVar[str] = "Fixed weights"
    summary: ClassVar[str] = "The sum of the losses, each times its loss weight."
    formula: ClassVar[str] = "L = sum_t L_t"
    when_to_use: ClassVar[str] = "First, always: it is the cheapest, and well-chosen fixed weights are hard to beat."

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        return losses.sum()  # an absent task's loss is the constant 0

    def weigh(self, values: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """The slopes of a sum are 1. To have autograd find them takes a small network 0.3 % of a step."""
        return self.combine(values, counted), counted.to(values)
