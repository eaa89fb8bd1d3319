"""UPGrad (Quinton and Rey 2024, Jacobian Descent, https://arxiv.org/abs/2406.16232), with an exact solver of our own."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import dual_cone


class UPGrad(GramianAggregator):
    """Each task's gradient is projected onto the cone of directions that hurt no task; the projections are averaged."""

    title: ClassVar[str] = "UPGrad"
    summary: ClassVar[str] = "Projects each task's gradient to where it hurts no task, and averages the projections."
    paper: ClassVar[Paper] = Paper(
        "Jacobian Descent For Multi-Objective Optimization", "Quinton and Rey", 2024, "https://arxiv.org/abs/2406.16232", "proposition 1"
    )
    formula: ClassVar[str] = "d = 1/T' sum_i P(g_i),   P(g) = the nearest vector to g with P(g) . g_j >= 0 for all j"
    when_to_use: ClassVar[str] = "A good first gradient method: no task is hurt, and each contributes in proportion to its gradient."
    deviations: ClassVar[str] = (
        "TorchJD's regularised quadprog is replaced by an exact active-set method on the cosines, accurate for gradients of very different norms."
    )
    pareto_stationary: ClassVar[bool] = True
    no_conflict: ClassVar[bool] = True

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        return upgrad_coefficients(gramian)


def upgrad_coefficients(gramian: Tensor) -> Tensor:
    """Gramian (T', T'), float64 on the CPU -> the factors (T',) on the gradients in UPGrad's update."""
    count = len(gramian)
    projections = [dual_cone(gramian.numpy(), row / count) for row in np.eye(count)]
    return torch.from_numpy(np.sum(projections, axis=0))
