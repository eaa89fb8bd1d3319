"""PBI, penalty-based boundary intersection (Zhang and Li 2007, MOEA/D, https://ieeexplore.ieee.org/document/4358754), by TorchJD's ``PBI``."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchjd.scalarization import PBI

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper


class PBIOptions(BalancerOptions):
    """Options of PBI."""

    penalty: float = Field(
        0.5,
        ge=0,
        le=100,
        description="theta: strength of the pull towards equal losses. Above 1 / sqrt(T - 1) a small loss may rise. The paper uses 5.",
    )


class BoundaryIntersection(LossWeighting):
    """d1 + theta d2: the losses' length along the direction (1, ..., 1), and their distance from it, over the tasks present."""

    title: ClassVar[str] = "PBI"
    summary: ClassVar[str] = "The length of the losses along equal sizes, plus a penalty on their distance from it."
    paper: ClassVar[Paper] = Paper(
        "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition", "Zhang and Li", 2007, "https://ieeexplore.ieee.org/document/4358754"
    )
    formula: ClassVar[str] = "L = d1 + theta d2,   d1 = sum_t L_t / sqrt(T'),  d2 = |L - d1 (1, ..., 1) / sqrt(T')|"
    when_to_use: ClassVar[str] = (
        "To pull the losses towards a fixed proportion, which the loss weights set. Weights can become negative under a large penalty."
    )
    deviations: ClassVar[str] = (
        "Made for evolutionary search, where theta = 5; the default here is lower, so that gradient descent raises no loss. The ideal point is 0."
    )
    Options = PBIOptions
    options: PBIOptions

    def __init__(self, options: PBIOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = PBI(options.penalty, torch.empty(0))

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        values = losses[present]
        self.scalarizer.weights = torch.ones_like(values)
        return self.scalarizer(values)
