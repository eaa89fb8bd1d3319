"""ExcessMTL (He et al. 2024, Robust Multi-Task Learning with Excess Risks, https://proceedings.mlr.press/v235/he24n.html, eq. 6, 7 and 9)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.simplex import among, put_back
from mtl_core.balancing.task_gradients import TaskGradients

SMALLEST = 1e-7


class ExcessMTLOptions(BalancerOptions):
    """Options of ExcessMTL."""

    step_size: float = Field(
        0.01,
        gt=0,
        le=100,
        description="eta: learning rate of the weights. The authors' code uses 0.01, and 1 for Office-Home; with 1 one task "
        "soon gets all the weight.",
    )
    warmup_steps: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Steps with equal weights in which each task's usual excess risk is measured. The paper: three epochs' worth.",
    )


class ExcessMTL(GradientAggregator):
    """Weights on the simplex that grow with each task's excess risk g' H^-1 g, H an AdaGrad estimate of the loss's curvature. Heads get them too.

    State: the squared gradients' sums (T, P), the weights, each task's first excess risk, the number of its steps and of all steps since
    its first. A task's weight does not change while it is absent or in its warm-up. Its sum of squared gradients is scaled to all
    steps since its first; otherwise a task that is often absent would seem to have a larger excess risk. TorchJD's version is not used: its state
    does not handle absent tasks, and its first step moves the weights by risks without a reference value.
    """

    title: ClassVar[str] = "ExcessMTL"
    summary: ClassVar[str] = "Gives weight to the tasks whose loss is furthest above the lowest that they can reach, not to those with noisy labels."
    paper: ClassVar[Paper] = Paper(
        "Robust Multi-Task Learning with Excess Risks", "He et al.", 2024, "https://proceedings.mlr.press/v235/he24n.html", "eq. 6, 7 and 9"
    )
    formula: ClassVar[str] = (
        "d = sum_i w_i g_i,   w_i <- w_i exp(eta E_i / E_i(first)) on the simplex from the second step on,  "
        "E_i = sum g_i^2 / sqrt(sum of g_i^2 over time)"
    )
    needs: ClassVar[str] = (
        "As many numbers as the Jacobian, in memory and in each checkpoint. Only at 'parameters': it follows each number through time."
    )
    when_to_use: ClassVar[str] = "When the labels of some tasks are noisy, so that their losses stay high whatever is learnt."
    deviations: ClassVar[str] = (
        "The authors' code lets the weights sum to T; the paper's, and ours, sum to 1, which makes each step T times smaller. A task's warm-up is "
        "its own first steps, so that of a task that is often absent lasts longer."
    )
    simplex: ClassVar[bool] = True
    heads: ClassVar[str] = ""  # the coefficients shown, too
    jacobians_kept: ClassVar[int] = 1
    Options = ExcessMTLOptions
    age: Tensor
    seen: Tensor
    first: Tensor
    weights: Tensor
    options: ExcessMTLOptions

    def __init__(self, options: ExcessMTLOptions, task_count: int):
        super().__init__(options, task_count)
        self.register_buffer("weights", torch.full((task_count,), 1 / task_count))
        self.register_buffer("first", torch.zeros(task_count))
        self.register_buffer("seen", torch.zeros(task_count, dtype=torch.long))
        self.register_buffer("age", torch.zeros(task_count, dtype=torch.long))

    def aggregate(self, tasks: TaskGradients) -> Update:
        rows, squares = tasks.rows, tasks.jacobian**2
        if "squares" not in self.memory:
            self.memory["squares"] = squares.new_zeros(self.task_count, squares.shape[1])
        self.memory["squares"][rows] += squares
        seen, warmup = self.seen[rows], self.options.warmup_steps
        self.seen[rows] += 1
        self.age += self.seen > 0
        share_present = (self.seen[rows] / self.age[rows]).to(squares)
        excess = (squares / (self.memory["squares"][rows] / share_present[:, None] + SMALLEST).sqrt()).sum(dim=1)
        # Excess risks are relative to the first one, or with warm-up to their mean in the warm-up steps.
        is_measured = seen >= max(warmup, 1)
        self.first[rows] += torch.where(is_measured, 0.0, excess / max(warmup, 1))
        self._follow(rows[is_measured], (excess / (self.first[rows] + SMALLEST))[is_measured])
        weights = among(self.weights, rows)
        return Update(weights @ tasks.jacobian, weights, own=weights)

    def _follow(self, rows: Tensor, risks: Tensor) -> None:
        """One step of the weights of these tasks with their relative excess risks, both (T',)."""
        if len(rows):
            weights = torch.softmax(among(self.weights, rows).log() + risks * self.options.step_size, dim=0)
            put_back(self.weights, rows, weights)
            self.weights.clamp_(min=torch.finfo(self.weights.dtype).tiny)

    def rescale(self, factors: Tensor) -> None:
        self.first = self.first * factors
        if "squares" in self.memory:
            self.memory["squares"] *= factors[:, None] ** 2

    def upgrade(self, state: dict[str, Any]) -> None:
        """Convert the state of earlier versions, which did not count the steps since a task was first seen."""
        state.setdefault("age", state["seen"].clone())
