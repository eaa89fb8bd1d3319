"""Smooth Tchebycheff scalarization (Lin et al. 2024, https://arxiv.org/abs/2402.19078), by TorchJD's ``STCH``."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor
from torchjd.scalarization import STCH

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper


class STCHOptions(BalancerOptions):
    """Options of smooth Tchebycheff scalarization."""

    smoothing: float = Field(
        0.1, ge=1e-3, le=100, description="mu: a small value trains only the largest loss, a large one all losses equally. The paper tries 0.01 to 1."
    )


class SmoothTchebycheff(LossWeighting):
    """mu log sum_t exp(L_t / (T' mu)) over the T' tasks present: a smooth maximum of the losses, with equal preferences 1/T'."""

    title: ClassVar[str] = "Smooth Tchebycheff"
    summary: ClassVar[str] = "A smooth maximum of the losses: the task with the largest loss is trained most."
    paper: ClassVar[Paper] = Paper(
        "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", "Lin et al.", 2024, "https://arxiv.org/abs/2402.19078"
    )
    formula: ClassVar[str] = "L = mu log sum_t exp(L_t / (T' mu))"
    when_to_use: ClassVar[str] = "When no task may be left behind and the losses have comparable scales (set the loss weights so that they have)."
    deviations: ClassVar[str] = (
        "Preferences are equal (the loss weights stand before them) and the ideal point is 0, the lower bound of every loss. The authors' code for "
        "multi-task learning descends the sum of log L_t in its first epochs, then T mu log sum_t exp(log(L_t / N_t) / mu) with N_t the task's mean "
        "loss at their end; ours is the paper's formula on the losses themselves, from the first step on."
    )
    Options = STCHOptions
    options: STCHOptions

    def __init__(self, options: STCHOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = STCH(options.smoothing)

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        return self.scalarizer(losses[present])
