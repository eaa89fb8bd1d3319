"""GradDrop (Chen et al. 2020, Just Pick a Sign, https://arxiv.org/abs/2010.06808, algorithm 1)."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import GradientAggregator, GradientOptions, Update
from mtl_core.balancing.paper import Paper
from mtl_core.balancing.task_gradients import TaskGradients
from mtl_core.randomness import drawing

AT_ONCE = 32_768  # entries of each gradient on a CPU: what is computed from them stays in the processor's cache


class GradDropOptions(GradientOptions):
    """Options of GradDrop."""

    leak: float = Field(0.0, ge=0, le=1, description="Share of each gradient that is kept whichever sign was picked. 1 is the plain sum.")


class GradDrop(GradientAggregator):
    """For each entry of the gradient, a random sign is drawn, with a probability that grows with the gradients of that sign; the others are dropped.

    The update is not a combination of the tasks' gradients. The coefficients shown are those of the closest combination (least squares; the
    smallest of several). The draws come from torch's global generator, which a run replaces by its own.
    """

    title: ClassVar[str] = "GradDrop"
    draws: ClassVar[bool] = True
    summary: ClassVar[str] = "Picks a random sign for each entry of the gradient, in favour of the majority, and drops gradients of the other sign."
    paper: ClassVar[Paper] = Paper(
        "Just Pick a Sign: Optimizing Deep Multitask Models with Gradient Sign Dropout",
        "Chen et al.",
        2020,
        "https://arxiv.org/abs/2010.06808",
        "algorithm 1",
    )
    formula: ClassVar[str] = (
        "P = 1/2 (1 + sum_i g_i / sum_i |g_i|);  u ~ U(0, 1);  keep g_i > 0 where P > u, g_i < 0 where P < u;  d = sum of what is kept"
    )
    when_to_use: ClassVar[str] = "As a regulariser, when tasks conflict in single entries rather than as a whole. The paper applies it at features."
    deviations: ClassVar[str] = (
        "At 'features' the paper first multiplies by the sign of the features and sums over the batch; ours treats each entry by itself."
    )
    inexact: ClassVar[str] = "The update is computed entry by entry; the coefficients are the least-squares ones."
    Options = GradDropOptions
    options: GradDropOptions

    def aggregate(self, tasks: TaskGradients) -> Update:
        jacobian = tasks.jacobian
        with drawing(self.generators):
            draws = torch.rand(jacobian.shape[1], dtype=jacobian.dtype, device=jacobian.device)
        gradient = torch.zeros_like(draws)
        at_once = AT_ONCE if draws.device.type == "cpu" else max(1, len(draws))  # on a GPU each operation costs a start of its own
        for rows, drawn, update in zip(jacobian.split(at_once, dim=1), draws.split(at_once), gradient.split(at_once), strict=True):
            self._pick(rows, drawn, update)
        return Update(gradient, least_squares(tasks, gradient))

    def _pick(self, rows: Tensor, draws: Tensor, update: Tensor) -> None:
        """Add what is kept of some entries of the gradients, (T', P') with P' draws, to ``update`` (P',), which is 0. The numbers are TorchJD's."""
        sizes = rows.abs().sum(dim=0)
        if sizes.device.type == "cpu" and not sizes.any():  # a GPU would have to wait for the answer
            return
        purity = rows.sum(dim=0).div_(sizes).add_(1).mul_(0.5)  # NaN where all entries are 0: nothing is kept there
        up = torch.gt(purity, draws, out=torch.empty_like(draws))  # 1 and 0, because a CPU computes with flags of one byte several times as long
        down = torch.lt(purity, draws, out=sizes)
        leak = rows.new_tensor(self.options.leak)
        for row in rows:
            kept = row.clamp(min=0).mul_(up).add_(row.clamp(max=0).mul_(down))
            update += kept * (leak + (1 - leak)) + leak * (row - kept) if self.options.leak else kept


def least_squares(tasks: TaskGradients, gradient: Tensor) -> Tensor:
    """Coefficients (T',) of the combination of the tasks' gradients that comes closest to ``gradient`` (P,)."""
    return torch.linalg.pinv(tasks.gramian, hermitian=True) @ (tasks.jacobian @ gradient)
