"""SDMGrad (Xiao, Ban and Ji 2023, Direction-oriented Multi-objective Learning, https://arxiv.org/abs/2305.18409), by TorchJD."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torchjd.aggregation import SDMGradWeighting

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.simplex import among, put_back
from mtl_core.balancing.task_gradients import TaskGradients, exchange_last


class SDMGradOptions(BalancerOptions):
    """Options of SDMGrad."""

    pull: float = Field(0.3, ge=0, le=100, description="lambda: strength of the pull towards the mean gradient. 0 is MGDA; the authors use 0.3.")
    weights_lr: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="Learning rate of the inner steps on the task weights. The authors' code uses 10, at which the steps jump from one corner of the "
        "simplex to another instead of converging.",
    )
    inner_steps: int = Field(20, ge=1, le=1000, description="Inner steps on the task weights at each step.")


class SDMGrad(GradientAggregator):
    """MGDA pulled towards the mean gradient, by several stochastic steps per batch with Jacobians of two independent batches.

    The other batch's Jacobian is the last step's. State: that Jacobian (T, P) and the weights; an absent task's do not change.
    """

    title: ClassVar[str] = "SDMGrad"
    summary: ClassVar[str] = "Between MGDA and the mean gradient, with weights from two batches, so that noise does not bias them."
    paper: ClassVar[Paper] = Paper(
        "Direction-oriented Multi-objective Learning: Simple and Provable Stochastic Algorithms",
        "Xiao, Ban and Ji",
        2023,
        "https://arxiv.org/abs/2305.18409",
    )
    formula: ClassVar[str] = (
        "w <- simplex projection of w - lr J_1 J_2' (w + lambda / T), some times;   d = sum_t (w_t + lambda / T) / (1 + lambda) g_t"
    )
    needs: ClassVar[str] = (
        "As many numbers as the Jacobian, in memory and in each checkpoint. Only at 'parameters', because it compares gradients of two batches."
    )
    when_to_use: ClassVar[str] = "When MGDA is too cautious: the pull keeps the mean loss falling."
    deviations: ClassVar[str] = (
        "The second batch is the last step's, with parameters one step older. Momentum 0.5 in the inner steps, as in the authors' code. The inner "
        "learning rate is 1: 20 steps reach the minimum to within 1 % for gradients of similar norms. With the authors' 10 they end 50 % or "
        "more above it, with nearly all weight on one task."
    )
    pareto_stationary: ClassVar[bool] = True
    simplex: ClassVar[bool] = True
    jacobians_kept: ClassVar[int] = 1
    Options = SDMGradOptions
    weights: torch.Tensor
    options: SDMGradOptions

    def __init__(self, options: SDMGradOptions, task_count: int):
        super().__init__(options, task_count)
        self.weighting = SDMGradWeighting(lr=options.weights_lr, n_iter=options.inner_steps, lambda_=options.pull)
        self.register_buffer("weights", torch.full((task_count,), 1 / task_count))

    def aggregate(self, tasks: TaskGradients) -> Update:
        product = exchange_last(self.memory, tasks, self.task_count) @ tasks.jacobian.T
        scale = product.diagonal().abs().max().clamp(min=torch.finfo(product.dtype).tiny)  # TorchJD adds 1e-8 to a denominator
        self.weighting._w = among(self.weights, tasks.rows)
        self.weighting._state_key = (len(product), product.dtype, product.device)
        coefficients = self.weighting(product / scale)
        put_back(self.weights, tasks.rows, self.weighting._w)
        self.weighting._w = None  # the state is in ``weights`` alone
        return Update(coefficients @ tasks.jacobian, coefficients)
