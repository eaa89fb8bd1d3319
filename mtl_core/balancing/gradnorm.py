"""GradNorm (Chen et al. 2018, https://arxiv.org/abs/1711.02257, algorithm 1): loss weights that equalise the norms of the tasks' gradients."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import GradientCombination
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.gradient_blocks import TaskProducts
from mtl_core.balancing.gradient_update import Factors
from mtl_core.balancing.own_adam import adam_step, rescale_moments
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import TaskGradients

SMALLEST_WEIGHT = 1e-4


class GradNormOptions(GramianOptions):
    """Options of GradNorm."""

    alpha: float = Field(
        1.5,
        ge=0,
        le=10,
        description="Asymmetry: how much a task that learns slowly is favoured. 0 makes all gradients equal; the paper uses 0.12 to 1.5.",
    )
    weights_lr: float = Field(0.025, gt=0, le=1, description="Learning rate of the task weights (Adam). The paper uses 0.025.")


class GradNorm(GradientCombination):
    """d = sum_t w_t g_t, the heads' gradients times w_t too; then one step on w towards |w_t g_t| = mean norm * r_t^alpha.

    r_t is the task's loss over its first one, relative to the mean of that over the tasks. The weights start at 1 and sum to T. State: weights,
    first losses, Adam's moments. An absent task's state does not change; the means are over the tasks present, and their weights keep their sum.
    """

    title: ClassVar[str] = "GradNorm"
    summary: ClassVar[str] = "Learns loss weights that equalise the norms of the tasks' gradients, larger for tasks that learn slowly."
    paper: ClassVar[Paper] = Paper(
        "GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep Multitask Networks",
        "Chen et al.",
        2018,
        "https://arxiv.org/abs/1711.02257",
        "algorithm 1",
    )
    formula: ClassVar[str] = (
        "d = sum_t w_t g_t;   w <- w - lr grad_w sum_t | w_t |g_t| - G r_t^alpha |,  then sum_t w_t = T;   "
        "G = mean of w_t |g_t|,  r_t = (L_t / L_t(first)) / mean of that"
    )
    needs: ClassVar[str] = "Each task's first loss, one weight per task and its Adam moments."
    when_to_use: ClassVar[str] = (
        "When some tasks learn much faster than others. At 'features' it costs next to nothing, and norms there are good proxies."
    )
    deviations: ClassVar[str] = (
        "Norms over the whole shared network (or at the features), where the paper uses its last layer only. Weights stay at or above 1e-4."
    )
    heads: ClassVar[str] = ""
    Options = GradNormOptions
    first_losses: Tensor
    weights: Tensor
    options: GradNormOptions

    def __init__(self, options: GradNormOptions, task_count: int):
        super().__init__(options, task_count)
        self.register_buffer("weights", torch.ones(task_count))
        self.register_buffer("first_losses", torch.zeros(task_count))

    def factors(self, tasks: TaskGradients | TaskProducts) -> Factors:
        rows, weights = tasks.rows, self.weights[tasks.rows]
        first = self.first_losses[rows]
        self.first_losses[rows] = torch.where(first > 0, first, tasks.losses)
        norms = tasks.gramian.diagonal().clamp(min=0).sqrt()
        progress = tasks.losses / self.first_losses[rows]
        rate = progress / progress.mean()
        target = (weights * norms).mean() * rate**self.options.alpha
        adam_step(self.memory, self.weights, (weights * norms - target).sign() * norms, rows, self.options.weights_lr)
        moved = self.weights[rows].clamp(min=SMALLEST_WEIGHT)
        self.weights[rows] = moved * (weights.sum() / moved.sum())
        return Factors(weights, own=weights)

    def rescale(self, factors: Tensor) -> None:
        self.first_losses = self.first_losses * factors
        rescale_moments(self.memory, factors)
