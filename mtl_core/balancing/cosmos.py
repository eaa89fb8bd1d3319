"""COSMOS (Ruchte and Grabocka 2021, https://arxiv.org/abs/2103.13392): the linear sum with a cosine penalty, by TorchJD's ``COSMOS``."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchjd.scalarization import COSMOS

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper


class COSMOSOptions(BalancerOptions):
    """Options of COSMOS."""

    penalty: float = Field(
        0.01,
        ge=0,
        le=100,
        description="lambda: strength of the pull towards equal losses. The paper uses 0.01 to 8; 0 is the mean. A large value raises "
        "small losses instead of lowering large ones.",
    )


class CosinePenalty(LossWeighting):
    """r . L - lambda cos(r, L) over the T' tasks present, with the equal preferences r_t = 1/T'."""

    title: ClassVar[str] = "COSMOS"
    summary: ClassVar[str] = "The mean of the losses minus a reward for losses of the same size."
    paper: ClassVar[Paper] = Paper(
        "Scalable Pareto Front Approximation for Deep Multi-Objective Learning", "Ruchte and Grabocka", 2021, "https://arxiv.org/abs/2103.13392"
    )
    formula: ClassVar[str] = "L = r . L - lambda (r . L) / (|r| |L|),   r_t = 1 / T'"
    when_to_use: ClassVar[str] = (
        "To pull the losses towards a fixed proportion, which the loss weights set. Losses that become small get negative weights: the smaller they "
        "are, the more the cosine turns with them. With penalty 1 three tasks on the digits had weights down to -6, and two of them learnt less."
    )
    deviations: ClassVar[str] = (
        "The paper draws r anew for each batch and gives it to the network as an input, to learn the whole Pareto front. "
        "Ours is its loss for one r. The default penalty is the lowest of the paper's, so that gradient descent raises hardly any loss."
    )
    Options = COSMOSOptions
    options: COSMOSOptions

    def __init__(self, options: COSMOSOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = COSMOS(options.penalty, torch.empty(0))

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        values = losses[present]
        self.scalarizer.weights = torch.full_like(values, 1 / len(values))
        return self.scalarizer(values)
