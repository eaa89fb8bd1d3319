"""GradDrop (Chen et al. 2020, Just Pick a Sign, https://arxiv.org/abs/2010.06808, algorithm 1), by TorchJD."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchjd.aggregation import GradDrop as TorchJDGradDrop

from mtl_core.balancing.balancer import GradientAggregator, GradientOptions, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import TaskGradients
from mtl_core.randomness import drawing


class GradDropOptions(GradientOptions):
    """Options of GradDrop."""

    leak: float = Field(0.0, ge=0, le=1, description="Share of each gradient that is kept whichever sign was picked. 1 is the plain sum.")


class GradDrop(GradientAggregator):
    """For each entry of the gradient, a random sign is drawn, with a probability that grows with the gradients of that sign; the others are dropped.

    The update is not a combination of the tasks' gradients. The coefficients shown are those of the closest combination (least squares; the
    smallest of several). The draws come from torch's global generator, which a run replaces by its own.
    """

    title: ClassVar[str] = "GradDrop"
    draws: ClassVar[bool] = True
    summary: ClassVar[str] = "Picks a random sign for each entry of the gradient, in favour of the majority, and drops gradients of the other sign."
    paper: ClassVar[Paper] = Paper(
        "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout",
        "Chen et al.",
        2020,
        "https://arxiv.org/abs/2010.06808",
        "algorithm 1",
    )
    formula: ClassVar[str] = (
        "P = 1/2 (1 + sum_i g_i / sum_i |g_i|);  u ~ U(0, 1);  keep g_i > 0 where P > u, g_i < 0 where P < u;  d = sum of what is kept"
    )
    when_to_use: ClassVar[str] = "As a regulariser, when tasks conflict in single entries rather than as a whole. The paper applies it at features."
    deviations: ClassVar[str] = (
        "At 'features' the paper first multiplies by the sign of the features and sums over the batch; ours treats each entry by itself."
    )
    inexact: ClassVar[str] = "The update is computed entry by entry; the coefficients are the least-squares ones."
    Options = GradDropOptions
    options: GradDropOptions

    def __init__(self, options: GradDropOptions, task_count: int):
        super().__init__(options, task_count)
        self.aggregator = TorchJDGradDrop()

    def aggregate(self, tasks: TaskGradients) -> Update:
        self.aggregator.leak = torch.full_like(tasks.losses, self.options.leak)
        with drawing(self.generators):
            gradient = self.aggregator(tasks.jacobian)
        return Update(gradient, least_squares(tasks, gradient))


def least_squares(tasks: TaskGradients, gradient: Tensor) -> Tensor:
    """Coefficients (T',) of the combination of the tasks' gradients that comes closest to ``gradient`` (P,)."""
    return torch.linalg.pinv(tasks.gramian, hermitian=True) @ (tasks.jacobian @ gradient)
