"""Auto-Lambda (Liu et al. 2022, https://arxiv.org/abs/2202.03091): loss weights that follow how much each task's step helps on other images."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator, Update
from mtl_core.balancing.own_adam import adam_step, rescale_moments
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import TaskGradients, exchange_last

SMALLEST_WEIGHT = 1e-4


class AutoLambdaOptions(BalancerOptions):
    """Options of Auto-Lambda."""

    start: float = Field(0.1, gt=0, le=10, description="The weights' first value. The paper uses 0.1.")
    weights_lr: float = Field(
        1e-3, gt=0, le=1, description="Learning rate of the weights (Adam). The authors use 1e-4 in runs of many thousand steps."
    )


class AutoLambda(GradientAggregator):
    """d = sum_t w_t g_t, the heads' gradients times w_t too. w_t rises if task t's last gradient agrees with the gradients on the new batch.

    The weights enter a step of gradient descent linearly. So the derivative of the held-out losses after it by w_t is
    -lr (g_t . sum_i g_i' + h_t . h_t'), with g_t and h_t the gradients of the step on the shared parameters and on the task's own, g_i' and h_t'
    those after it. No second derivative and no extra pass is needed: g_t and h_t are the last step's, the others this step's. For plain SGD that is
    the derivative up to the factor lr, which Adam cancels; for a run's optimizer with moments or clipping it is an approximation.

    State: the last step's gradients, shared (T, P) and own; the weights, Adam's moments. The state of an absent task does not change.
    """

    title: ClassVar[str] = "Auto-Lambda"
    summary: ClassVar[str] = "Raises the weight of tasks whose steps help all tasks on images that the step has not seen."
    paper: ClassVar[Paper] = Paper("Auto-Lambda: Disentangling Dynamic Task Relationships", "Liu et al.", 2022, "https://arxiv.org/abs/2202.03091")
    formula: ClassVar[str] = "d = sum_t w_t g_t;   w <- Adam step on -(g_t(last step) . sum_i g_i(now) + h_t(last step) . h_t(now)),  h_t on the head"
    needs: ClassVar[str] = (
        "As many numbers as the Jacobian and all heads, in memory and in each checkpoint. Only at 'parameters': it compares gradients of two batches."
    )
    when_to_use: ClassVar[str] = "To find out which tasks help the others: the weight of a task that does not help falls."
    deviations: ClassVar[str] = (
        "The paper looks one step of plain SGD ahead on a second batch, by finite differences. Ours evaluates the last step taken, with the next "
        "batch as the held-out one. The derivative is exact for plain SGD and an approximation under AdamW, momentum or clipping. Every task is a "
        "primary task. Weights stay at or above 1e-4."
    )
    alone: ClassVar[str] = "The weight of a single task starts at 'start' and moves too."
    uneven: ClassVar[str] = (
        "The weights start small, and each moves only in steps with its task present: that of a task that is often absent stays nearer to 'start'."
    )
    heads: ClassVar[str] = ""
    jacobians_kept: ClassVar[int] = 1
    Options = AutoLambdaOptions
    weights: Tensor
    options: AutoLambdaOptions

    def __init__(self, options: AutoLambdaOptions, task_count: int):
        super().__init__(options, task_count)
        self.register_buffer("weights", torch.full((task_count,), options.start))

    def aggregate(self, tasks: TaskGradients) -> Update:
        is_known = self.memory["has_last"][tasks.rows] if "has_last" in self.memory else torch.zeros_like(tasks.rows, dtype=torch.bool)
        last = exchange_last(self.memory, tasks, self.task_count)
        own_products = self._exchange_own(tasks)
        if is_known.any():
            gradient = -(last @ tasks.jacobian.sum(dim=0) + own_products)
            adam_step(self.memory, self.weights, gradient[is_known], tasks.rows[is_known], self.options.weights_lr)
            self.weights.clamp_(min=SMALLEST_WEIGHT)
        weights = self.weights[tasks.rows]
        return Update(weights @ tasks.jacobian, weights, own=weights)

    def _exchange_own(self, tasks: TaskGradients) -> Tensor:
        """Scalar products (T',) of each task's gradients on its own parameters at the last step and now. Stores the present ones for the next step.

        0 for a task without parameters of its own, and for a task that is present for the first time.
        """
        kept = self.memory.setdefault("own", {})
        products = torch.zeros_like(tasks.losses)
        for place, (row, gradients) in enumerate(zip(tasks.rows.tolist(), tasks.own, strict=False)):
            parts = [gradient.reshape(-1) for gradient in gradients if gradient is not None]
            if parts:
                now = torch.cat(parts)  # a copy: the heads' gradients are multiplied by the weights afterwards
                if str(row) in kept:
                    products[place] = kept[str(row)] @ now
                kept[str(row)] = now
        return products

    def rescale(self, factors: Tensor) -> None:
        super().rescale(factors)
        for row, gradient in self.memory.get("own", {}).items():
            gradient *= factors[int(row)]
        rescale_moments(self.memory, factors)
