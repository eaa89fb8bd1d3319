"""MoCo (Fernando et al. 2023, Mitigating Gradient Bias in Multi-objective Learning, https://arxiv.org/abs/2210.12624, algorithm 1)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torchjd.aggregation._utils.simplex import project_onto_simplex

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.simplex import among, put_back
from mtl_core.balancing.task_gradients import TaskGradients, running_mean


class MoCoOptions(BalancerOptions):
    """Options of MoCo."""

    tracking: float = Field(0.5, gt=0, le=1, description="beta: share of the newest gradient in each running mean.")
    weights_lr: float = Field(0.1, gt=0, le=100, description="gamma: step of the task weights towards the shortest convex combination.")
    regularisation: float = Field(0.0, ge=0, le=100, description="rho: pulls the weights towards equality.")


class MoCo(GradientAggregator):
    """MGDA for noisy gradients: running means y_t of the gradients, and weights that take one step a batch towards MGDA's for them.

    State: the running means (T, P) and the weights; an absent task's do not change. The coefficients shown are the factors on the running means.
    """

    title: ClassVar[str] = "MoCo"
    summary: ClassVar[str] = "MGDA on running means of the gradients, so that the noise of single batches does not bias it."
    paper: ClassVar[Paper] = Paper(
        "Mitigating Gradient Bias in Multi-objective Learning: A Provably Convergent Approach",
        "Fernando et al.",
        2023,
        "https://arxiv.org/abs/2210.12624",
        "algorithm 1",
    )
    formula: ClassVar[str] = "y_t <- y_t - beta (y_t - g_t);   w <- simplex projection of w - gamma (Y Y' + rho I) w;   d = sum_t w_t y_t"
    needs: ClassVar[str] = (
        "As many numbers as the Jacobian, in memory and in each checkpoint. Only at 'parameters', because it averages each entry over time."
    )
    when_to_use: ClassVar[str] = "Instead of MGDA, when batches are small."
    deviations: ClassVar[str] = (
        "The running means start at the first gradient. beta and gamma are constant; in the paper they fall. The authors' code (in LibMTL) "
        "differs from the paper and from ours: it averages each gradient divided by its norm and times its loss, takes a softmax instead of the "
        "projection, and lets beta and gamma fall with the root of the step number."
    )
    alone: ClassVar[str] = "The update of a single task is a running mean of its gradient too."
    inexact: ClassVar[str] = "From the second step on, the coefficients are factors on running means of the gradients."
    pareto_stationary: ClassVar[bool] = True
    simplex: ClassVar[bool] = True
    jacobians_kept: ClassVar[int] = 1
    Options = MoCoOptions
    weights: torch.Tensor
    options: MoCoOptions

    def __init__(self, options: MoCoOptions, task_count: int):
        super().__init__(options, task_count)
        self.register_buffer("weights", torch.full((task_count,), 1 / task_count))

    def aggregate(self, tasks: TaskGradients) -> Update:
        options = self.options
        tracked = running_mean(self.memory, tasks, tasks.jacobian, options.tracking, self.task_count)
        old = among(self.weights, tasks.rows)
        weights = project_onto_simplex(old - options.weights_lr * (tracked @ (old @ tracked) + options.regularisation * old))
        put_back(self.weights, tasks.rows, weights)
        return Update(weights @ tracked, weights)
