"""CAGrad (Liu et al. 2021, Conflict-Averse Gradient Descent, https://arxiv.org/abs/2110.14048, algorithm 1), with an exact solver of our own."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import conflict_averse


class CAGradOptions(GramianOptions):
    """Options of CAGrad."""

    c: float = Field(
        0.4,
        ge=0,
        le=10,
        description="Radius of the search around the mean gradient, as a multiple of its length. 0 is the mean.",
    )


class CAGrad(GramianAggregator):
    """The direction within c |g_0| of the mean gradient g_0 that maximises the smallest gain of any task.

    For c < 1 it converges to a minimum of the mean loss, for c > 1 to a Pareto-stationary point. If the tasks' gradients cancel out (|g_w| = 0)
    it is the mean gradient.
    """

    title: ClassVar[str] = "CAGrad"
    summary: ClassVar[str] = "The direction near the mean gradient that maximises the gain of the task that gains least."
    paper: ClassVar[Paper] = Paper(
        "Conflict-Averse Gradient Descent for Multi-task Learning", "Liu et al.", 2021, "https://arxiv.org/abs/2110.14048", "algorithm 1"
    )
    formula: ClassVar[str] = (
        "d = g_0 + c |g_0| g_w / |g_w|,   g_0 = mean of g_i,  g_w = sum_i w_i g_i;   "
        "w = argmin g_w . g_0 + c |g_0| |g_w| over w_i >= 0, sum_i w_i = 1"
    )
    when_to_use: ClassVar[str] = "When the mean loss counts and no single task should be left behind during training."
    deviations: ClassVar[str] = (
        "Solved exactly, as a line search over shortest convex combinations (TorchJD: a cone solver; the authors: SLSQP). The update is that of "
        "the equation; the authors' code divides it by 1 + c^2 and multiplies it by T."
    )
    alone: ClassVar[str] = "The mean plus c times its own direction: a single task's gradient is multiplied by 1 + c."
    pareto_stationary: ClassVar[bool] = True
    Options = CAGradOptions
    options: CAGradOptions

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        return cagrad_coefficients(gramian, self.options.c)


def cagrad_coefficients(gramian: Tensor, radius: float) -> Tensor:
    """Gramian (T', T'), float64 on the CPU -> the factors (T',) on the gradients in CAGrad's update; ``radius`` is c."""
    array, count = gramian.numpy(), len(gramian)
    mean = np.full(count, 1 / count)
    if radius == 0:
        return torch.from_numpy(mean)
    weights = conflict_averse(array, radius)
    mean_norm, length = (np.sqrt(max(w @ array @ w, 0.0)) for w in (mean, weights))
    # If the gradients cancel out, g_w is a rounding error and its direction is meaningless.
    is_stationary = length <= 1e-7 * (weights @ np.sqrt(array.diagonal().clip(0)))
    return torch.from_numpy(mean if is_stationary else mean + radius * mean_norm / length * weights)
