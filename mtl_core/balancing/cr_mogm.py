"""CR-MOGM (Zhou et al. 2022, NeurIPS: On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond): smoothed weights."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.cagrad import cagrad_coefficients
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.simplex import among, put_back
from mtl_core.balancing.solvers import min_norm
from mtl_core.balancing.upgrad import upgrad_coefficients

RADIUS = 0.4  # of CAGrad under "cagrad"


class CRMOGMOptions(GramianOptions):
    """Options of CR-MOGM."""

    smooths: Literal["mgda", "cagrad", "upgrad"] = Field(
        "mgda", description="Whose coefficients are smoothed: MGDA's, CAGrad's (c = 0.4), or UPGrad's."
    )
    alpha: float = Field(0.9, ge=0, lt=1, description="Share of the old weights at each step; 0 for no smoothing.")


class SmoothedWeights(GramianAggregator):
    """w <- alpha w + (1 - alpha) w_hat, w_hat the coefficients of another method at this step, with which its update is d = sum_i w_hat_i g_i.

    State: the coefficients (T,), each from the first step with its task present. The coefficients of an absent task do not change. They are stored
    in a form that does not depend on the number of tasks present: under "mgda" as shares of the simplex, of which the tasks present redistribute
    their joint share; under "cagrad" and "upgrad", whose coefficients hold a factor 1 / T', as multiples of it.
    TorchJD's ``CRMOGMWeighting`` raises when a task is absent.
    """

    title: ClassVar[str] = "CR-MOGM"
    summary: ClassVar[str] = "Smooths another method's coefficients over time, so that a noisy batch moves them little."
    paper: ClassVar[Paper] = Paper(
        "On the Convergence of Stochastic Multi-Objective Gradient Manipulation and Beyond",
        "Zhou et al.",
        2022,
        "https://proceedings.neurips.cc/paper_files/paper/2022/file/f91bd64a3620aad8e70a27ad9cb3ca57-Paper-Conference.pdf",
    )
    formula: ClassVar[str] = "d = sum_i w_i g_i,   w <- alpha w + (1 - alpha) w_hat"
    needs: ClassVar[str] = "One running weight per task."
    when_to_use: ClassVar[str] = "Instead of MGDA, CAGrad or UPGrad, when batches are small and the weights jump."
    deviations: ClassVar[str] = (
        "alpha is constant; in the paper it grows as the learning rate falls. The smoothed weights are the composite ones, the factors on the "
        "gradients in the update, so under 'cagrad' those of CAGrad's whole direction, its mean gradient included. The initial weights are those of "
        "the first step."
    )
    pareto_stationary: ClassVar[bool] = True
    Options = CRMOGMOptions
    seen: Tensor
    options: CRMOGMOptions

    def __init__(self, options: CRMOGMOptions, task_count: int):
        super().__init__(options, task_count)
        self.kept = "weights" if options.smooths == "mgda" else "multiples"  # a new name, so that the state of older checkpoints is not loaded
        self.register_buffer(self.kept, torch.full((task_count,), 1 / task_count if options.smooths == "mgda" else 1.0))
        self.register_buffer("seen", torch.zeros(task_count, dtype=torch.bool))

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        kept = self.get_buffer(self.kept)
        weights, seen, count = kept.cpu().double(), self.seen.cpu()[rows], len(rows)
        is_simplex = self.options.smooths == "mgda"
        newest = self._coefficients_of(gramian) * (1 if is_simplex else count)
        old = torch.where(seen, among(weights, rows) if is_simplex else weights[rows], newest)
        smoothed = self.options.alpha * old + (1 - self.options.alpha) * newest
        if is_simplex:
            smoothed = smoothed / smoothed.sum()
            put_back(weights, rows, smoothed)
        else:
            weights[rows] = smoothed
        kept.copy_(weights)
        self.seen[rows] = True
        return smoothed if is_simplex else smoothed / count

    def _coefficients_of(self, gramian: Tensor) -> Tensor:
        """Coefficients (T',) of the other method at this step."""
        if self.options.smooths == "mgda":
            return torch.from_numpy(min_norm(gramian.numpy()))
        if self.options.smooths == "cagrad":
            return cagrad_coefficients(gramian, RADIUS)
        return upgrad_coefficients(gramian)
