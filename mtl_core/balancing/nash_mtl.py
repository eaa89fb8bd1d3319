"""Nash-MTL (Navon et al. 2022, Multi-Task Learning as a Bargaining Game, https://arxiv.org/abs/2202.01017, algorithm 1), with a solver of our own."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.gradient_blocks import TaskProducts
from mtl_core.balancing.gradient_update import Factors
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import fair
from mtl_core.balancing.task_gradients import TaskGradients


class NashMTLOptions(GramianOptions):
    """Options of Nash-MTL."""

    max_norm: float = Field(
        1.0, ge=0, le=1000, description="Largest norm of the update, which has norm sqrt(T) by itself; 0 for no limit. The authors use 1."
    )


class NashMTL(GramianAggregator):
    """The bargaining solution: the direction d with the largest product of gains d . g_i, whose coefficients satisfy w_i (g_i . d) = 1.

    A task with a zero gradient gets coefficient 0.
    """

    title: ClassVar[str] = "Nash-MTL"
    summary: ClassVar[str] = "The Nash bargaining solution: the update with the largest product of gains, whatever the scale of the losses."
    paper: ClassVar[Paper] = Paper(
        "Multi-Task Learning as a Bargaining Game", "Navon et al.", 2022, "https://arxiv.org/abs/2202.01017", "algorithm 1"
    )
    formula: ClassVar[str] = "d = sum_i w_i g_i,   G w = 1 / w elementwise with w > 0,  G_ij = g_i . g_j;   d shortened to max_norm"
    when_to_use: ClassVar[str] = (
        "When losses have different scales and every task should progress. The update's norm is fixed, so it needs its own learning rate."
    )
    deviations: ClassVar[str] = (
        "Solved exactly by Newton's method on the equivalent convex problem min 1/2 w'Gw - sum log w; the paper (and TorchJD) runs a sequence of "
        "approximations and keeps the last good answer. New weights at every step. In the authors' code the heads' gradients are multiplied by the "
        "coefficients too; here each head gets its own task's gradient."
    )
    alone: ClassVar[str] = "The update of a single task has a fixed norm too: its gradient is divided by its norm."
    pareto_stationary: ClassVar[bool] = True
    scale_invariant: ClassVar[bool] = True
    no_conflict: ClassVar[bool] = True
    Options = NashMTLOptions
    options: NashMTLOptions

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        return torch.from_numpy(fair(gramian.numpy(), alpha=1.0))

    def factors(self, tasks: TaskGradients | TaskProducts) -> Factors:
        return super().factors(tasks)._replace(longest=self.options.max_norm)
