"""IMTL-G (Liu et al. 2021, Towards Impartial Multi-task Learning, https://openreview.net/forum?id=IMPnRXEWpvr), by TorchJD."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchjd.aggregation import IMTLGWeighting

from mtl_core.balancing.balancer import BalancerOptions, GramianAggregator
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import cosines


class ImpartialGradients(GramianAggregator):
    """The combination, with coefficients that sum to 1 (or -1), that has the same component along every task's gradient.

    TorchJD's weighting gets the cosines instead of the scalar products, and its result is divided by the norms: the same equations, without a
    loss of digits for gradients of very different norms. Coefficients may be negative. A task with a zero gradient gets coefficient 0.
    """

    title: ClassVar[str] = "IMTL-G"
    summary: ClassVar[str] = "The update that points equally far along every task's gradient, whatever the scale of its loss."
    paper: ClassVar[Paper] = Paper("Towards Impartial Multi-task Learning", "Liu et al.", 2021, "https://openreview.net/forum?id=IMPnRXEWpvr")
    formula: ClassVar[str] = "d = sum_i w_i g_i,   sum_i w_i = 1,  d . g_i / |g_i| the same for all i"
    when_to_use: ClassVar[str] = "When losses have different scales and no task is to be preferred. With IMTL-L it is the paper's full method."
    deviations: ClassVar[str] = (
        "If coefficients that sum to 1 give an update along which every loss rises, the update is negated: its coefficients sum to -1."
    )
    pareto_stationary: ClassVar[bool] = True
    scale_invariant: ClassVar[bool] = True
    no_conflict: ClassVar[bool] = True

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.weighting = IMTLGWeighting()

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        cosine, norms = (torch.from_numpy(array) for array in cosines(gramian.numpy()))
        # float32: TorchJD's tolerance for linear dependence then matches the rounding of the scalar products
        weights = self.weighting(cosine.float()).double() * torch.where(norms > 0, norms[norms > 0].min() / norms, 0.0) if norms.any() else norms
        total = weights.sum()
        return weights / total.abs() if total.abs() > 1e-12 * weights.abs().max() else torch.zeros_like(weights)
