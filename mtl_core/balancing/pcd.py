"""PCD, priority-constrained descent (Varam and AlHajri 2026, https://arxiv.org/abs/2606.29521): one primary task, by TorchJD."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchjd.aggregation import PCDWeighting

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.paper import Paper
from mtl_core.errors import ConfigError, Problem


class PCDOptions(GramianOptions):
    """Options of PCD."""

    primary: int = Field(1, ge=1, le=100, description="Number of the primary task in the order of the run's tasks, from 1.")
    tau: float = Field(0.02, ge=0, le=1, description="Smallest progress of every other task, as a share of the progress of its own step.")
    beta: float = Field(0.999, ge=0, lt=1, description="Memory of the running mean of the squared gradient norms.")


class PriorityConstrainedDescent(GramianAggregator):
    """The direction nearest to the primary task's gradient along which every other task makes a share tau of the progress of its own step.

    State: the running means of the squared norms (T,), and the number of steps in which each task was present. In a batch without the primary task,
    the first task present is primary.

    Raises:
        ConfigError: there are fewer tasks than ``primary``.
    """

    title: ClassVar[str] = "PCD"
    summary: ClassVar[str] = "Follows one primary task and ensures that the others make some progress too."
    paper: ClassVar[Paper] = Paper(
        "Not All Objectives Are Born Equal: Priority-Constrained Descent for Hierarchical Multi-Objective Optimization",
        "Varam and AlHajri",
        2026,
        "https://arxiv.org/abs/2606.29521",
    )
    formula: ClassVar[str] = "d = argmin |d - g_1|^2 with d . g_j >= tau |g_j|^2 for j > 1, all g over their running norms;  then |d| = |g_1|"
    needs: ClassVar[str] = "A running mean of each task's squared gradient norm."
    when_to_use: ClassVar[str] = "When one task counts and the others are there to help it."
    Options = PCDOptions
    steps: Tensor
    squared_norms: Tensor
    options: PCDOptions

    def __init__(self, options: PCDOptions, task_count: int):
        super().__init__(options, task_count)
        if options.primary > task_count:
            raise ConfigError(Problem("balancing.primary", f"is {options.primary}, but the run has {task_count} tasks; choose 1 to {task_count}"))
        self.weighting = PCDWeighting(tau=options.tau, beta=options.beta)
        self.register_buffer("squared_norms", torch.zeros(task_count))
        self.register_buffer("steps", torch.zeros(task_count, dtype=torch.long))

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        order = torch.argsort((rows != self.options.primary - 1).long(), stable=True)
        ordered, weighting, beta = rows[order], self.weighting, self.options.beta
        newest = gramian.diagonal()[order]
        means = beta * self.squared_norms.cpu()[ordered].double() + (1 - beta) * newest
        self.squared_norms[ordered] = means.to(self.squared_norms)
        self.steps[ordered] += 1
        # TorchJD counts steps for all tasks together, and would treat a task that is often absent as one of small gradients. So it gets inputs that
        # reproduce our means, each corrected for the bias of its own steps, in TorchJD's first step.
        unbiased = means / (1 - beta ** self.steps.cpu()[ordered])
        weighting._sq_norm_ema = (1 - beta) * (unbiased - newest) / beta if beta else torch.zeros_like(newest)
        weighting._n_steps, weighting._state_key = torch.tensor(0), len(rows)
        coefficients = torch.empty_like(gramian[0])
        coefficients[order] = weighting(gramian[order][:, order])
        weighting._sq_norm_ema = weighting._n_steps = None  # the state is in our buffers alone
        return coefficients

    def upgrade(self, state: dict[str, Any]) -> None:
        """Convert the state of earlier versions, which had one number of steps for all tasks."""
        if state["steps"].ndim == 0:
            state["steps"] = state["steps"].expand(self.task_count).clone()

    def rescale(self, factors: Tensor) -> None:
        self.squared_norms = self.squared_norms * factors**2
