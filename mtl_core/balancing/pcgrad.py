"""PCGrad (Yu et al. 2020, Gradient Surgery for Multi-Task Learning, https://arxiv.org/abs/2001.06782, algorithm 1), by TorchJD."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torchjd.aggregation import PCGrad as TorchJDPCGrad

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator


class PCGrad(GradientAggregator):
    """Each task's gradient loses its component against every task it conflicts with, in random order; then they are summed.

    The random order comes from torch's global generator, which the run seeds and its checkpoints keep.
    """

    title: ClassVar[str] = "PCGrad"
    summary: ClassVar[str] = "Removes from each task's gradient what points against another task's (Yu et al. 2020). One backward pass per task."

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.aggregator = TorchJDPCGrad()

    def coefficients(self, jacobian: Tensor) -> Tensor:
        return self.aggregator.weighting(jacobian)
