"""PCGrad (Yu et al. 2020, Gradient Surgery for Multi-Task Learning, https://arxiv.org/abs/2001.06782, algorithm 1), by TorchJD."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torchjd.aggregation import PCGradWeighting

from mtl_core.balancing.balancer import BalancerOptions, GramianAggregator
from mtl_core.balancing.paper import Paper
from mtl_core.randomness import drawing


class PCGrad(GramianAggregator):
    """Each task's gradient is projected onto the normal plane of every gradient that it conflicts with, in random order; then they are summed.

    torch draws the random order, in a run from the run's own generator, which checkpoints hold.
    """

    title: ClassVar[str] = "PCGrad"
    draws: ClassVar[bool] = True
    summary: ClassVar[str] = "Removes from each task's gradient the component against another task's gradient."
    paper: ClassVar[Paper] = Paper("Gradient Surgery for Multi-Task Learning", "Yu et al.", 2020, "https://arxiv.org/abs/2001.06782", "algorithm 1")
    formula: ClassVar[str] = "g_i <- g_i - min(0, g_i . g_j) / |g_j|^2 g_j for all j in random order;  d = sum_i g_i"
    when_to_use: ClassVar[str] = "When tasks conflict at some steps. Without conflict it is the plain sum, so it is a cautious choice."

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.weighting = PCGradWeighting()

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        with drawing(self.generators):
            return self.weighting(gramian)
