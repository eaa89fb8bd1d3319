"""MGDA (Désidéri 2012; Sener and Koltun 2018, https://arxiv.org/abs/1810.04650, eq. 3), with an exact solver of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import GradientCombination
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.gradient_blocks import TaskProducts
from mtl_core.balancing.gradient_update import Factors
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.solvers import min_norm
from mtl_core.balancing.task_gradients import TaskGradients


class MGDAOptions(GramianOptions):
    """Options of MGDA."""

    normalise: Literal["none", "l2", "loss", "loss+"] = Field(
        "none",
        description="Divisor of each gradient when the weights are computed: none, its norm, its task's loss, or both. "
        "With 'none' the task with the smallest gradient gets nearly all the weight; with the others a step may raise a task's loss.",
    )


class MGDA(GradientCombination):
    """The shortest vector in the convex hull of the tasks' gradients: it raises no loss, and is 0 where no direction helps every task.

    With ``normalise`` the weights are those of the scaled gradients, applied to the gradients as they are (as in the authors' experiments). That is
    no longer the shortest vector, and may raise a loss.
    """

    title: ClassVar[str] = "MGDA"
    summary: ClassVar[str] = "The shortest convex combination of the tasks' gradients: without normalisation, a step that hurts no task."
    paper: ClassVar[Paper] = Paper(
        "Multi-Task Learning as Multi-Objective Optimization", "Sener and Koltun", 2018, "https://arxiv.org/abs/1810.04650", "eq. 3"
    )
    formula: ClassVar[str] = "d = sum_i w_i g_i,   w = argmin |sum_i w_i g_i|^2 over w_i >= 0, sum_i w_i = 1"
    when_to_use: ClassVar[str] = "When no task may get worse. It follows the smallest gradient, so large tasks learn slowly; try a normalisation."
    deviations: ClassVar[str] = (
        "The paper's Frank-Wolfe solver is replaced by an exact active-set method (TorchJD's Frank-Wolfe leaves up to 0.4 % at 10 tasks). "
        "In the authors' code the heads' gradients are multiplied by the coefficients too; here each head gets its own task's gradient. "
        "Later code (Nash-MTL's) lets the coefficients sum to T."
    )
    pareto_stationary: ClassVar[bool] = True
    no_conflict: ClassVar[bool] = True
    simplex: ClassVar[bool] = True
    only_with: ClassVar[Mapping[str, Mapping[str, Sequence[Any]]]] = {"no_conflict": {"normalise": ("none",)}}
    Options = MGDAOptions
    options: MGDAOptions

    def factors(self, tasks: TaskGradients | TaskProducts) -> Factors:
        gramian = tasks.gramian.cpu().double()
        scale = 1 / self._divisors(gramian, tasks.losses.cpu().double())
        return Factors(torch.from_numpy(min_norm((gramian * scale[:, None] * scale[None, :]).numpy())))

    def _divisors(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """(T',) above 0."""
        norms = gramian.diagonal().sqrt()
        divisors = {"none": torch.ones_like(norms), "l2": norms, "loss": losses, "loss+": losses * norms}[self.options.normalise]
        return torch.where(divisors > 0, divisors, 1.0)
