"""Dynamic weight average (Liu, Johns and Davison 2019, https://arxiv.org/abs/1803.10704, eq. 7)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper

SMALLEST = 1e-12  # replaces a mean loss of 0, for which the ratio does not exist


class DWAOptions(BalancerOptions):
    """Options of dynamic weight average."""

    temperature: float = Field(2.0, gt=0, le=100, description="Higher makes the weights more equal. The paper uses 2.")


class DynamicWeightAverage(LossWeighting):
    """lambda_t = T softmax(r_t / temperature), r_t = mean loss of the last epoch over that of the one before; 1 until there are two.

    The means are over the steps in which the task is present. An epoch without such a step does not change the task's means. State:
    this epoch's sums and counts, and the last two means, all (T,).
    """

    title: ClassVar[str] = "Dynamic weight average"
    summary: ClassVar[str] = "Gives more weight to tasks whose loss falls slowly from epoch to epoch."
    paper: ClassVar[Paper] = Paper(
        "End-to-End Multi-Task Learning with Attention", "Liu, Johns and Davison", 2019, "https://arxiv.org/abs/1803.10704", "eq. 7"
    )
    formula: ClassVar[str] = "L = sum_t lambda_t L_t,   lambda = T softmax(r / temperature),  r_t = mean loss of the last epoch / of the one before"
    needs: ClassVar[str] = "The mean losses of two epochs; equal weights until then."
    when_to_use: ClassVar[str] = "In runs of many epochs, when some tasks learn much faster than others. Costs nothing; its effect is mild."
    deviations: ClassVar[str] = "In an epoch's mean a task's loss counts in the steps with a label for it. A task without two epochs has r = 1."
    Options = DWAOptions
    options: DWAOptions

    def __init__(self, options: DWAOptions, task_count: int):
        super().__init__(options, task_count)
        for name in ("sums", "counts", "last", "before_last"):
            self.register_buffer(name, torch.zeros(task_count))

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        self.sums = self.sums + torch.where(present, losses.detach(), 0.0)
        self.counts = self.counts + present
        rates = torch.where(self.before_last > 0, self.last / self.before_last.clamp(min=SMALLEST), 1.0)
        weights = self.task_count * torch.softmax(rates / self.options.temperature, dim=0)
        return (weights * torch.where(present, losses, 0.0)).sum()

    def end_epoch(self) -> None:
        is_new = self.counts > 0
        mean = (self.sums / self.counts.clamp(min=1)).clamp(min=SMALLEST)
        self.before_last = torch.where(is_new, self.last, self.before_last)
        self.last = torch.where(is_new, mean, self.last)
        self.sums, self.counts = torch.zeros_like(self.sums), torch.zeros_like(self.counts)

    def rescale(self, factors: Tensor) -> None:
        self.sums, self.last, self.before_last = self.sums * factors, self.last * factors, self.before_last * factors

    def upgrade(self, state: dict[str, Any]) -> None:
        """Earlier versions kept TorchJD's sums, a count of batches for all tasks, and a list of means."""
        kept = state.get("_extra_state") or {}
        if "averages" in kept:
            nothing = torch.zeros_like(self.sums)
            means = [nothing, nothing, *kept["averages"]]
            has_sum = kept["sum"] is not None
            state.update(sums=kept["sum"] if has_sum else nothing, counts=nothing + kept["batches"], before_last=means[-2], last=means[-1])
            state["_extra_state"] = {}
            state.pop("last_seen", None)
