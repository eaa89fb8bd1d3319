"""FAMO (Liu et al. 2023, https://arxiv.org/abs/2306.03792, algorithm 1): fast adaptive multitask optimization, by TorchJD's ``FAMO``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torchjd.scalarization import FAMO

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.paper import Paper

FAR_AWAY = 1e30  # a loss so large that its task's share of the update is 0


class FAMOOptions(BalancerOptions):
    """Options of FAMO."""

    weights_lr: float = Field(0.025, gt=0, le=1, description="Learning rate of the task weights (Adam). The paper uses 0.025.")
    weights_decay: float = Field(1e-3, ge=0, le=1, description="gamma: decay of the task weights towards equality. The paper uses 1e-3.")


class AdaptiveLogLosses(LossWeighting):
    """sum_t c z_t log L_t with z = softmax(w): every loss is to fall by the same factor; w rises for a task whose loss fell too little.

    How much each loss fell is seen by a second forward pass on the same batch, after the step.
    """

    title: ClassVar[str] = "FAMO"
    summary: ClassVar[str] = "Weights the logarithms of the losses so that all fall at the same rate, with one backward pass."
    paper: ClassVar[Paper] = Paper(
        "FAMO: Fast Adaptive Multitask Optimization", "Liu et al.", 2023, "https://arxiv.org/abs/2306.03792", "algorithm 1"
    )
    formula: ClassVar[str] = "L = c sum_t z_t log L_t,  z = softmax(w),  c = 1 / sum_t (z_t / L_t);   w learnt from log L_t(before) - log L_t(after)"
    needs: ClassVar[str] = "A second forward pass per step, on the same batch. Positive losses."
    when_to_use: ClassVar[str] = "When gradient aggregation is too slow and the losses differ in scale or speed."
    deviations: ClassVar[str] = "The second forward pass is in training mode, so batch normalisation's running statistics see each batch twice."
    pareto_stationary: ClassVar[bool] = True
    scale_invariant: ClassVar[bool] = True
    Options = FAMOOptions

    def __init__(self, options: FAMOOptions, task_count: int):
        super().__init__(options, task_count)
        self.scalarizer = FAMO(task_count, lr=options.weights_lr, weight_decay=options.weights_decay)

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        return self.scalarizer(torch.where(present, losses, FAR_AWAY))

    def after_step(self, losses_now: Callable[[], tuple[Tensor, Tensor]]) -> None:
        before = self.scalarizer._prev_losses
        if before is None:  # one task alone: nothing is weighted
            return
        losses, _ = losses_now()
        self.scalarizer.update(torch.where(before < FAR_AWAY, losses, before))

    def get_extra_state(self) -> dict[str, Any]:
        """TorchJD keeps the optimizer of the task weights in a plain attribute, which a state_dict would leave out."""
        return {"optimizer": None if self.scalarizer._optimizer is None else self.scalarizer._optimizer.state_dict()}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        if state["optimizer"] is not None:
            scalarizer = self.scalarizer
            scalarizer._optimizer = torch.optim.Adam([scalarizer._w], lr=scalarizer.lr, weight_decay=scalarizer.weight_decay)
            scalarizer._optimizer.load_state_dict(state["optimizer"])
