"""GradVac (Wang et al. 2021, Gradient Vaccine, https://arxiv.org/abs/2010.05874, algorithm 1), by TorchJD."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchjd.aggregation import GradVacWeighting

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.paper import Paper
from mtl_core.randomness import drawing


class GradVacOptions(GramianOptions):
    """Options of GradVac."""

    beta: float = Field(0.01, ge=0, le=1, description="Share of the newest cosine in the running mean, which is the target. The paper uses 0.01.")


class GradVac(GramianAggregator):
    """Each task's gradient is turned towards the others until its cosine with each is at least the running mean of that cosine.

    State: the (T, T) running means; those of an absent task do not change. torch draws the random order, in a run from the run's own generator.
    """

    title: ClassVar[str] = "GradVac"
    draws: ClassVar[bool] = True
    summary: ClassVar[str] = "Turns gradients towards each other until they agree as much as they usually do."
    paper: ClassVar[Paper] = Paper(
        "Gradient Vaccine: Investigating and Improving Multi-task Optimization in Massively Multilingual Models",
        "Wang et al.",
        2021,
        "https://arxiv.org/abs/2010.05874",
        "algorithm 1",
    )
    formula: ClassVar[str] = (
        "if cos(g_i, g_j) < phi_ij:  g_i <- g_i + w g_j with w such that cos(g_i, g_j) = phi_ij;  phi = running mean of cos;  d = sum_i g_i"
    )
    needs: ClassVar[str] = "A running mean of the cosine for each pair of tasks."
    when_to_use: ClassVar[str] = "When PCGrad does too little because the tasks mostly agree, but not always as much as they could."
    deviations: ClassVar[str] = (
        "One cosine per pair of tasks, over all shared parameters; the paper compares by layer, or by encoder and decoder, each with its own "
        "targets. TorchJD adds 1e-8 to denominators, which makes the target inexact for a gradient 1e6 times smaller than the largest."
    )
    Options = GradVacOptions
    usual: Tensor
    options: GradVacOptions

    def __init__(self, options: GradVacOptions, task_count: int):
        super().__init__(options, task_count)
        self.weighting = GradVacWeighting(beta=options.beta)
        self.register_buffer("usual", torch.zeros(task_count, task_count))

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        scaled = gramian / gramian.trace().clamp(min=1e-300)  # TorchJD adds 1e-8 to denominators, which is too much for small gradients
        among = (rows[:, None], rows[None, :])
        self.weighting._phi_t = self.usual.cpu()[among].double()
        self.weighting._state_key = (len(rows), gramian.dtype)
        with drawing(self.generators):
            coefficients = self.weighting(scaled)
        self.usual[among] = self.weighting._phi_t.to(self.usual)
        self.weighting._phi_t = None  # the state is in ``usual`` alone
        return coefficients
