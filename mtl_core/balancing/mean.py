"""Mean: the mean of the weighted losses of the tasks present."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from mtl_core.balancing.balancer import LossWeighting


class MeanLoss(LossWeighting):
    """The mean over the tasks present, as TorchJD's ``Mean``: fixed weights divided by the number of tasks."""

    title: ClassVar[str] = "Mean"
    summary: ClassVar[str] = "The mean of the weighted losses: fixed weights, with a step that does not grow with the number of tasks."
    formula: ClassVar[str] = "L = (1 / T') sum_t L_t over the T' tasks present"
    when_to_use: ClassVar[str] = "With SGD, to keep one learning rate while tasks are added or taken away. Adam does not feel the difference."

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        return losses[present].mean()
