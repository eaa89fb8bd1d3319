"""Geometric mean of the losses (Chennupati et al. 2019, MultiNet++, https://arxiv.org/abs/1904.08492), by TorchJD's ``GeometricMean``."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torchjd.scalarization import GeometricMean

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper


class GeometricMeanOfLosses(LossWeighting):
    """(prod_t L_t)^(1/T') over the T' tasks present: each task's weight is the combined loss divided by T' times its own loss.

    Losses must be positive, as those of all of this project's task kinds are.
    """

    title: ClassVar[str] = "Geometric mean"
    summary: ClassVar[str] = "The geometric mean of the losses: the factor by which a loss falls counts, not the amount."
    paper: ClassVar[Paper] = Paper(
        "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task Learning",
        "Chennupati et al.",
        2019,
        "https://arxiv.org/abs/1904.08492",
    )
    formula: ClassVar[str] = "L = (prod_t L_t)^(1/T')"
    when_to_use: ClassVar[str] = (
        "When losses differ by orders of magnitude. A task that is nearly solved gets a very large weight, so beware of noisy small losses."
    )
    scale_invariant: ClassVar[bool] = True

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = GeometricMean()

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        return self.scalarizer(losses[present])
