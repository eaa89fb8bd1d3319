"""FairGrad (Ban and Ji 2024, Fair Resource Allocation in Multi-Task Learning, https://arxiv.org/abs/2402.15638, eq. 4), with a solver of our own."""

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


class FairGradOptions(GramianOptions):
    """Options of FairGrad."""

    alpha: float = Field(
        2.0, ge=0.2, le=20, description="Fairness: 1 is Nash-MTL without its norm limit; larger values favour the task that gains least."
    )
    max_norm: float = Field(
        1.0,
        ge=0,
        le=1000,
        description="Largest norm of the update; 0 for no limit. Without a limit the update grows as the gradients shrink (alpha above 1). "
        "The authors' code uses 1.",
    )


class FairGrad(GramianAggregator):
    """The direction with the alpha-fair allocation of gains d . g_i among the tasks. A task with a zero gradient gets coefficient 0.

    As in the authors' code the update is multiplied by the number of tasks present and then shortened to ``max_norm``.
    """

    title: ClassVar[str] = "FairGrad"
    summary: ClassVar[str] = "Divides the step's gain among the tasks by alpha-fairness."
    paper: ClassVar[Paper] = Paper("Fair Resource Allocation in Multi-Task Learning", "Ban and Ji", 2024, "https://arxiv.org/abs/2402.15638", "eq. 4")
    formula: ClassVar[str] = "d = T' sum_i w_i g_i,   G w = w^(-1/alpha) elementwise with w > 0,  G_ij = g_i . g_j;   d shortened to max_norm"
    when_to_use: ClassVar[str] = "As Nash-MTL, with an option between equal progress and help for the task that gains least."
    deviations: ClassVar[str] = (
        "Solved by Newton's method on the equivalent convex problem; the authors (and TorchJD) use a bounded least-squares solver. The factor T' and "
        "max_norm are those of the authors' code; the paper's equation has neither."
    )
    alone: ClassVar[str] = (
        "A single gradient is multiplied by |g|^(-2 alpha / (1 + alpha)), then shortened to max_norm: the step hardly depends on the loss's scale."
    )
    pareto_stationary: ClassVar[bool] = True
    no_conflict: ClassVar[bool] = True
    Options = FairGradOptions
    options: FairGradOptions

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        return torch.from_numpy(fair(gramian.numpy(), self.options.alpha)) * len(rows)

    def factors(self, tasks: TaskGradients | TaskProducts) -> Factors:
        return super().factors(tasks)._replace(longest=self.options.max_norm)
