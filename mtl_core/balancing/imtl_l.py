"""IMTL-L (Liu et al. 2021, Towards Impartial Multi-task Learning, https://openreview.net/forum?id=IMPnRXEWpvr)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.learnt_scale import LearntScales, split_vector
from mtl_core.balancing.paper import Paper


class ImpartialLosses(LossWeighting):
    """sum_t exp(s_t) L_t - s_t with a learnt s_t per task, starting at 0: each scaled loss moves towards 1.

    The s_t are trained by the run's optimizer, without weight decay. The s_t of an absent task and its optimizer state do not change.
    """

    title: ClassVar[str] = "IMTL-L"
    summary: ClassVar[str] = "Learns a scale per task that brings all losses to the same size."
    paper: ClassVar[Paper] = Paper("Towards Impartial Multi-task Learning", "Liu et al.", 2021, "https://openreview.net/forum?id=IMPnRXEWpvr")
    formula: ClassVar[str] = "L = sum_t exp(s_t) L_t - s_t,   s_t learnt"
    needs: ClassVar[str] = "One learnt number per task, trained by the run's optimizer."
    when_to_use: ClassVar[str] = (
        "As uncertainty weighting, from which it differs by a factor of 2 and the sign of s. With IMTL-G it is the paper's full method."
    )
    deviations: ClassVar[str] = "A loss weight scales the loss that s_t is learnt from, so s_t cancels a change of the loss weight in time."
    uneven: ClassVar[str] = "s_t is learnt in the steps with a label for the task, so with rare labels it follows the task's loss more slowly."
    alone: ClassVar[str] = "The learnt scale applies to a single loss too; it starts at 1 and moves."

    def __init__(self, options: BalancerOptions, task_count: int):
        super().__init__(options, task_count)
        self.log_scale = LearntScales(task_count)

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        terms = [self.log_scale[row].exp() * losses[row] - self.log_scale[row] for row in self.rows]
        return torch.stack([torch.where(present[row], term, 0.0) for row, term in zip(self.rows, terms, strict=True)]).sum()

    def upgrade(self, state: dict[str, Any]) -> None:
        split_vector(state, "scalarizer.log_scale", "log_scale")
