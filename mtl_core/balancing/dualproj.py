"""DualProj (Lopez-Paz and Ranzato 2017, Gradient Episodic Memory, https://arxiv.org/abs/1706.08840, eq. 11), with an exact solver of our own."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import dual_cone


class DualProj(GramianAggregator):
    """The mean gradient, projected onto the cone of directions that hurt no task."""

    title: ClassVar[str] = "DualProj"
    summary: ClassVar[str] = "The mean gradient, changed as little as needed so that it hurts no task."
    paper: ClassVar[Paper] = Paper(
        "Gradient Episodic Memory for Continual Learning", "Lopez-Paz and Ranzato", 2017, "https://arxiv.org/abs/1706.08840", "eq. 11"
    )
    formula: ClassVar[str] = "d = P(1/T' sum_i g_i),   P(g) = the nearest vector to g with P(g) . g_j >= 0 for all j"
    when_to_use: ClassVar[str] = "As UPGrad, but a task with a large gradient has more influence."
    deviations: ClassVar[str] = (
        "Made for continual learning, where the other gradients are those of earlier tasks' memories. Solved exactly, as UPGrad."
    )
    pareto_stationary: ClassVar[bool] = True
    no_conflict: ClassVar[bool] = True

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        count = len(gramian)
        return torch.from_numpy(dual_cone(gramian.numpy(), np.full(count, 1 / count)))
