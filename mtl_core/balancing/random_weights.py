"""Random loss weighting (Lin et al. 2022, https://arxiv.org/abs/2111.10603, algorithm 2), by TorchJD's ``Random``."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torchjd.scalarization import Random

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper
from mtl_core.randomness import drawing


class RandomLossWeighting(LossWeighting):
    """Weights softmax(z), z drawn from a normal distribution at each step, over the tasks present.

    The draws come from torch's global generator, which a run replaces by its own; checkpoints hold it.
    """

    title: ClassVar[str] = "Random loss weighting"
    draws: ClassVar[bool] = True
    summary: ClassVar[str] = "New random weights at every step. A baseline for every other method."
    paper: ClassVar[Paper] = Paper(
        "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning",
        "Lin et al.",
        2022,
        "https://arxiv.org/abs/2111.10603",
        "algorithm 2",
    )
    formula: ClassVar[str] = "L = sum_t w_t L_t,   w = softmax(z),  z ~ N(0, 1) at each step"
    when_to_use: ClassVar[str] = "As a baseline: a method that does not beat it has no measurable benefit."
    simplex: ClassVar[bool] = True

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = Random()

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        with drawing(self.generators):
            return self.scalarizer(losses[present])
