"""Uncertainty weighting (Kendall, Gal and Cipolla 2018, https://arxiv.org/abs/1705.07115, eq. 10)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.learnt_scale import LearntScales, split_vector
from mtl_core.balancing.paper import Paper


class UncertaintyWeighting(LossWeighting):
    """sum_t 1/2 exp(-s_t) L_t + 1/2 s_t with a learnt s_t = log sigma_t^2 per task, starting at 0.

    The s_t are trained by the run's optimizer, without weight decay. The s_t of an absent task and its optimizer state do not change.
    """

    title: ClassVar[str] = "Uncertainty weighting"
    summary: ClassVar[str] = "Learns a noise level per task; noisy tasks get a lower weight."
    paper: ClassVar[Paper] = Paper(
        "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and Semantics",
        "Kendall, Gal and Cipolla",
        2018,
        "https://arxiv.org/abs/1705.07115",
        "eq. 10",
    )
    formula: ClassVar[str] = "L = sum_t 1/2 exp(-s_t) L_t + 1/2 s_t,   s_t = log sigma_t^2 learnt"
    needs: ClassVar[str] = "One learnt number per task, trained by the run's optimizer."
    when_to_use: ClassVar[str] = "When losses have different units or scales and there is no time to tune weights. Costs nothing."
    deviations: ClassVar[str] = (
        "The paper has no factor 1/2 on classification losses; ours has it for every task, as LibMTL and TorchJD do: each weight starts at half its "
        "loss weight. A loss weight scales the loss that s_t is learnt from, so s_t cancels a change of the loss weight in time."
    )
    uneven: ClassVar[str] = "s_t is learnt in the steps with a label for the task, so with rare labels it follows the task's loss more slowly."
    alone: ClassVar[str] = "The learnt noise level scales a single loss too; its weight starts at 1/2."

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.log_var = LearntScales(task_count)

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        terms = [0.5 * ((-self.log_var[row]).exp() * losses[row] + self.log_var[row]) for row in self.rows]
        return torch.stack([torch.where(present[row], term, 0.0) for row, term in zip(self.rows, terms, strict=True)]).sum()

    def upgrade(self, state: dict[str, Any]) -> None:
        split_vector(state, "scalarizer.log_var", "log_var")
