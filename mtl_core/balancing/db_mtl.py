"""DB-MTL (Lin et al. 2023, Dual-Balancing for Multi-Task Learning, https://arxiv.org/abs/2308.12029, algorithm 1): log losses, equal norms."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, GradientAggregator, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import TaskGradients, running_mean

SMALLEST = 1e-8


class DBMTLOptions(BalancerOptions):
    """Options of DB-MTL."""

    beta: float = Field(0.9, ge=0, lt=1, description="Memory of the running means of the gradients; 0 keeps none. The paper tries 0.1 to 0.9.")


class DualBalancing(GradientAggregator):
    """d = a sum_t m_t / |m_t|: m_t the running mean of the gradient of log L_t, a the largest of their norms. Heads get log L_t's gradient.

    State: the running means (T, P); an absent task's does not change. The coefficients shown are the factors on the running means of the losses' own
    gradients.
    """

    title: ClassVar[str] = "DB-MTL"
    summary: ClassVar[str] = "Logarithms make the losses comparable; then every task's gradient gets the same length."
    paper: ClassVar[Paper] = Paper("Dual-Balancing for Multi-Task Learning", "Lin et al.", 2023, "https://arxiv.org/abs/2308.12029", "algorithm 1")
    formula: ClassVar[str] = "m_t <- beta m_t + (1 - beta) grad log(L_t + 1e-8);   d = max_i |m_i| sum_t m_t / |m_t|"
    needs: ClassVar[str] = (
        "As many numbers as the Jacobian, in memory and in each checkpoint. Only at 'parameters', because it averages each entry over time."
    )
    when_to_use: ClassVar[str] = "When losses and gradients both differ in size and no task is to be preferred."
    deviations: ClassVar[str] = "The running means start at the first gradient instead of 0. beta is constant; in LibMTL it falls with the steps."
    alone: ClassVar[str] = "It descends the logarithm of a single loss too."
    inexact: ClassVar[str] = "From the second step on, the coefficients are factors on running means of the gradients."
    scale_invariant: ClassVar[bool] = True
    heads: ClassVar[str] = "Each head descends the logarithm of its loss: its own task's gradient divided by the loss."
    jacobians_kept: ClassVar[int] = 1
    Options = DBMTLOptions
    options: DBMTLOptions

    def aggregate(self, tasks: TaskGradients) -> Update:
        per_loss = 1 / (tasks.losses + SMALLEST)
        means = running_mean(self.memory, tasks, tasks.jacobian * per_loss[:, None], 1 - self.options.beta, self.task_count)
        norms = torch.linalg.vector_norm(means, dim=1)
        factors = torch.where(norms > 0, norms.max() / norms, 0.0)
        return Update(factors @ means, factors * per_loss, own=per_loss)

    def rescale(self, factors: Tensor) -> None:
        """Do nothing: a factor on a loss does not change the gradient of its logarithm."""
