"""ExcessMTL (He et al. 2024, Robust Multi-Task Learning with Excess Risks, https://proceedings.mlr.press/v235/he24n.html, eq. 6, 7 and 9)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import TaskGradients

SMALLEST = 1e-7


class ExcessMTLOptions(BalancerOptions):
    """Options of ExcessMTL."""

    step_size: float = Field(1.0, gt=0, le=100, description="eta: how fast the weights follow the excess risks.")
    warmup_steps: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Steps with equal weights in which each task's usual excess risk is measured. The paper: three epochs' worth.",
    )


class ExcessMTL(GradientAggregator):
    """Weights on the simplex that grow with each task's excess risk g' H^-1 g, H an AdaGrad estimate of the loss's curvature.

    State: the squared gradients' sums (T, P), the weights, each task's first excess risk. An absent task's wait. Ours and not TorchJD's,
    because that one's state has no room for an absent task.
    """

    title: ClassVar[str] = "ExcessMTL"
    summary: ClassVar[str] = "Gives weight to the tasks that are furthest from what they could reach, not to those with noisy labels."
    paper: ClassVar[Paper] = Paper(
        "Robust Multi-Task Learning with Excess Risks", "He et al.", 2024, "https://proceedings.mlr.press/v235/he24n.html", "eq. 6, 7 and 9"
    )
    formula: ClassVar[str] = (
        "d = sum_i w_i g_i,   w_i <- w_i exp(eta E_i / E_i(first)) on the simplex,  E_i = sum g_i^2 / sqrt(sum of g_i^2 over time)"
    )
    needs: ClassVar[str] = (
        "As many numbers as the Jacobian, in memory and in each checkpoint. Only at 'parameters': it follows each number through time."
    )
    when_to_use: ClassVar[str] = "When the labels of some tasks are noisy, so that their losses stay high whatever is learnt."
    deviations: ClassVar[str] = "As in TorchJD: without warm-up, the first step's raw excess risk moves the weights before it becomes the measure."
    simplex: ClassVar[bool] = True
    Options = ExcessMTLOptions

    def __init__(self, options: ExcessMTLOptions, task_count: int):
        super().__init__(options, task_count)
        self.register_buffer("weights", torch.full((task_count,), 1 / task_count))
        self.register_buffer("first", torch.zeros(task_count))
        self.register_buffer("seen", torch.zeros(task_count, dtype=torch.long))

    def aggregate(self, tasks: TaskGradients) -> Update:
        rows, squares = tasks.rows, tasks.jacobian**2
        if "squares" not in self.memory:
            self.memory["squares"] = squares.new_zeros(self.task_count, squares.shape[1])
        self.memory["squares"][rows] += squares
        excess = (squares / (self.memory["squares"][rows] + SMALLEST).sqrt()).sum(dim=1)
        seen, warmup = self.seen[rows], self.options.warmup_steps
        # Without warm-up the first excess risk is the measure of all later ones; with it, their mean in those steps.
        self.first[rows] += torch.where(seen < max(warmup, 1), excess / max(warmup, 1), 0.0)
        is_raw = (seen == 0) & (warmup == 0)
        relative = torch.where(is_raw, excess, excess / (self.first[rows] + SMALLEST))
        gained = torch.where(seen < warmup, 0.0, relative * self.options.step_size)
        self.seen[rows] += 1
        share = self.weights[rows].sum()
        weights = torch.softmax(self.weights[rows].log() + gained, dim=0)
        self.weights[rows] = (weights * share).clamp(min=torch.finfo(weights.dtype).tiny)
        return Update(weights @ tasks.jacobian, weights)
