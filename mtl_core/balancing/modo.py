"""MoDo (Chen et al. 2024, Three-Way Trade-Off in Multi-Objective Learning, https://arxiv.org/abs/2305.20057, algorithm 1), by TorchJD."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torchjd.aggregation import MoDoWeighting

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.simplex import among, put_back
from mtl_core.balancing.task_gradients import TaskGradients, exchange_last


class MoDoOptions(BalancerOptions):
    """Options of MoDo."""

    weights_lr: float = Field(0.1, gt=0, le=100, description="gamma: step of the task weights towards the shortest convex combination.")
    regularisation: float = Field(0.1, ge=0, le=100, description="rho: pulls the weights towards equality.")


class MoDo(GradientAggregator):
    """MGDA by one stochastic step a batch: the weights' gradient is J_1 J_2' w with Jacobians of two independent batches, so it is not biased.

    J_1 is the last step's. State: J_1 (T, P) and the weights; an absent task's do not change.
    """

    title: ClassVar[str] = "MoDo"
    summary: ClassVar[str] = "Moves the weights a little towards MGDA's at each step, from two batches, so that noise does not bias them."
    paper: ClassVar[Paper] = Paper(
        "Three-Way Trade-Off in Multi-Objective Learning: Optimization, Generalization and Conflict-Avoidance",
        "Chen et al.",
        2024,
        "https://arxiv.org/abs/2305.20057",
        "algorithm 1",
    )
    formula: ClassVar[str] = "w <- simplex projection of w - gamma (J_1 J_2' + rho I) w;   d = sum_t w_t g_t"
    needs: ClassVar[str] = (
        "As many numbers as the Jacobian, in memory and in each checkpoint. Only at 'parameters', because it compares gradients of two batches."
    )
    when_to_use: ClassVar[str] = "Instead of MGDA, when batches are small. With small gamma it is near the mean loss, with large gamma near MGDA."
    deviations: ClassVar[str] = (
        "The second batch is the last step's, with parameters one step older; the update uses the new batch only. gamma is 0.1 as in TorchJD; "
        "LibMTL has 1e-3, with which the weights hardly move in short runs."
    )
    pareto_stationary: ClassVar[bool] = True
    simplex: ClassVar[bool] = True
    jacobians_kept: ClassVar[int] = 1
    Options = MoDoOptions
    weights: torch.Tensor
    options: MoDoOptions

    def __init__(self, options: MoDoOptions, task_count: int):
        super().__init__(options, task_count)
        self.weighting = MoDoWeighting(gamma=options.weights_lr, rho=options.regularisation)
        self.register_buffer("weights", torch.full((task_count,), 1 / task_count))

    def aggregate(self, tasks: TaskGradients) -> Update:
        product = exchange_last(self.memory, tasks, self.task_count) @ tasks.jacobian.T
        self.weighting._lambda = among(self.weights, tasks.rows)
        self.weighting._state_key = (len(product), product.dtype, product.device)
        weights = self.weighting(product)
        put_back(self.weights, tasks.rows, weights)
        self.weighting._lambda = None  # the state is in ``weights`` alone
        return Update(weights @ tasks.jacobian, weights)
