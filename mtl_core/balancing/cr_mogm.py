"""CR-MOGM (Zhou et al. 2022, NeurIPS: On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond): smoothed weights."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import GradientOptions, GramianAggregator
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import conflict_averse, dual_cone, min_norm

RADIUS = 0.4  # of CAGrad, whose simplex weights are smoothed under "cagrad"


class CRMOGMOptions(GradientOptions):
    """Options of CR-MOGM."""

    smooths: Literal["mgda", "cagrad", "upgrad"] = Field(
        "mgda", description="Whose weights are smoothed: MGDA's, those inside CAGrad (c = 0.4), or UPGrad's."
    )
    alpha: float = Field(0.9, ge=0, lt=1, description="Share of the old weights at each step; 0 smooths nothing.")


class SmoothedWeights(GramianAggregator):
    """lambda <- alpha lambda + (1 - alpha) lambda_hat, lambda_hat the weights of another method at this step.

    State: the weights (T,), from the first step that a task is present at; those of an absent task wait. Under "mgda" and "cagrad" they lie on
    the simplex; where tasks are absent, the others' are scaled to do so too. TorchJD's ``CRMOGMWeighting`` raises when a task is absent.
    """

    title: ClassVar[str] = "CR-MOGM"
    summary: ClassVar[str] = "Another method's weights, smoothed over time, so that a noisy batch moves them little."
    paper: ClassVar[Paper] = Paper(
        "On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond",
        "Zhou et al.",
        2022,
        "https://proceedings.neurips.cc/paper_files/paper/2022/file/f91bd64a3620aad8e70a27ad9cb3ca57-Paper-Conference.pdf",
    )
    formula: ClassVar[str] = "d = sum_i w_i g_i,   w <- alpha w + (1 - alpha) w_hat"
    needs: ClassVar[str] = "One running weight per task."
    when_to_use: ClassVar[str] = "Instead of MGDA or UPGrad, when batches are small and the weights jump."
    deviations: ClassVar[str] = "alpha stays as it is; the paper lets it grow as the learning rate falls."
    pareto_stationary: ClassVar[bool] = True
    Options = CRMOGMOptions

    def __init__(self, options: CRMOGMOptions, task_count: int):
        super().__init__(options, task_count)
        self.register_buffer("weights", torch.zeros(task_count))
        self.register_buffer("seen", torch.zeros(task_count, dtype=torch.bool))

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        newest = torch.from_numpy(self._weights_of(gramian.numpy()))
        old = torch.where(self.seen.cpu()[rows], self.weights.cpu()[rows].double(), newest)
        smoothed = self.options.alpha * old + (1 - self.options.alpha) * newest
        if self.options.smooths != "upgrad" and smoothed.sum() > 0:
            smoothed = smoothed / smoothed.sum()
        self.weights[rows] = smoothed.to(self.weights)
        self.seen[rows] = True
        return smoothed

    def _weights_of(self, gramian: np.ndarray) -> np.ndarray:
        if self.options.smooths == "mgda":
            return min_norm(gramian)
        if self.options.smooths == "cagrad":
            return conflict_averse(gramian, RADIUS)
        count = len(gramian)
        return np.sum([dual_cone(gramian, row / count) for row in np.eye(count)], axis=0)
