"""Dynamic weight average (Liu, Johns and Davison 2019, https://arxiv.org/abs/1803.10704, eq. 7), by TorchJD's ``DWA``."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchjd.scalarization import DWA

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper

SMALLEST = 1e-12


class DWAOptions(BalancerOptions):
    """Options of dynamic weight average."""

    temperature: float = Field(2.0, gt=0, le=100, description="Higher makes the weights more equal. The paper uses 2.")


class DynamicWeightAverage(LossWeighting):
    """lambda_t = T softmax(r_t / temperature), r_t = mean loss of the last epoch over that of the one before; 1 in the first two epochs.

    A task that is absent from a batch enters that epoch's mean with its last seen loss (TorchJD averages over batches).
    """

    title: ClassVar[str] = "Dynamic weight average"
    summary: ClassVar[str] = "Gives more weight to tasks whose loss falls slowly from epoch to epoch."
    paper: ClassVar[Paper] = Paper(
        "End-to-End Multi-Task Learning with Attention", "Liu, Johns and Davison", 2019, "https://arxiv.org/abs/1803.10704", "eq. 7"
    )
    formula: ClassVar[str] = "L = sum_t lambda_t L_t,   lambda = T softmax(r / temperature),  r_t = mean loss of the last epoch / of the one before"
    needs: ClassVar[str] = "The mean losses of two epochs; equal weights until then."
    when_to_use: ClassVar[str] = "In runs of many epochs, when some tasks learn much faster than others. Costs nothing; its effect is mild."
    Options = DWAOptions

    def __init__(self, options: DWAOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = DWA(temperature=options.temperature)
        self.register_buffer("last_seen", torch.ones(task_count))

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        self.last_seen = torch.where(present, losses.detach(), self.last_seen)
        # A loss of exactly 0 (a task with loss weight 0) would make the ratio of two epochs 0 / 0; it counts as one that stands still.
        values = torch.where(present, losses, self.last_seen)
        return self.scalarizer(values + SMALLEST * (values == 0))

    def end_epoch(self) -> None:
        self.scalarizer.step()

    def get_extra_state(self) -> dict[str, Any]:
        """TorchJD keeps DWA's history in plain attributes, which a state_dict would leave out."""
        scalarizer = self.scalarizer
        return {"sum": scalarizer._loss_sum, "batches": scalarizer._n_batches, "averages": list(scalarizer._previous_averages)}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.scalarizer._loss_sum = state["sum"]
        self.scalarizer._n_batches = state["batches"]
        self.scalarizer._previous_averages = list(state["averages"])
