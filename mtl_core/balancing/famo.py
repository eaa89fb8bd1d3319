"""FAMO (Liu et al. 2023, https://arxiv.org/abs/2306.03792, algorithm 1): fast adaptive multitask optimization."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.balancer import BalancerOptions, LossWeighting
from mtl_core.balancing.own_adam import adam_step
from mtl_core.balancing.paper import Paper

SMALLEST = 1e-8  # added to each loss, as in the authors' code


class FAMOOptions(BalancerOptions):
    """Options of FAMO."""

    weights_lr: float = Field(0.025, gt=0, le=1, description="Learning rate of the task weights (Adam). The paper uses 0.025.")
    weights_decay: float = Field(1e-3, ge=0, le=1, description="gamma: decay of the task weights towards equality. The paper uses 1e-3.")


class AdaptiveLogLosses(LossWeighting):
    """sum_t c z_t log L_t with z = softmax(w): every loss should fall by the same factor; w rises for a task whose loss fell less.

    A second forward pass on the same batch, after the step, measures how much each loss fell. z is over the tasks present. The absent tasks' share
    of all weights does not change: only differences of w matter, so the absent tasks' w moves by the common change of the present tasks' w.

    State: w and Adam's moments, all (T,).
    """

    title: ClassVar[str] = "FAMO"
    summary: ClassVar[str] = "Weights the logarithms of the losses so that all fall at the same rate, with one backward pass."
    paper: ClassVar[Paper] = Paper(
        "FAMO: Fast Adaptive Multitask Optimization", "Liu et al.", 2023, "https://arxiv.org/abs/2306.03792", "algorithm 1"
    )
    formula: ClassVar[str] = "L = c sum_t z_t log L_t,  z = softmax(w),  c = 1 / sum_t (z_t / L_t);   w learnt from log L_t(before) - log L_t(after)"
    needs: ClassVar[str] = "A second forward pass per step, on the same batch. Positive losses."
    when_to_use: ClassVar[str] = "When gradient aggregation is too slow and the losses differ in scale or speed."
    deviations: ClassVar[str] = (
        "The second forward pass is in training mode, so batch normalisation's running statistics see each batch twice. The authors' code also cuts "
        "the norm of the shared gradient to 1; ours leaves that to gradient_clip. Its default decay is 0.01; ours is the paper's 0.001."
    )
    pareto_stationary: ClassVar[bool] = True
    scale_invariant: ClassVar[bool] = True
    Options = FAMOOptions
    logits: Tensor
    options: FAMOOptions

    def __init__(self, options: FAMOOptions, task_count: int):
        super().__init__(options, task_count)
        self.register_buffer("logits", torch.zeros(task_count))
        self._before: tuple[Tensor, Tensor] | None = None  # losses and present tasks, between a backward pass and its optimizer step

    def combine(self, losses: Tensor, present: Tensor) -> Tensor:
        self._before = losses.detach().clone(), present
        shifted = torch.where(present, losses, 1.0) + SMALLEST
        shares = self._shares(present)
        normaliser = (shares / shifted.detach()).sum()
        return (shares / normaliser * shifted.log()).sum()

    def after_step(self, losses_now: Callable[[], tuple[Tensor, Tensor]]) -> None:
        if self._before is None:  # a single task has no weights
            return
        before, was_present = self._before
        after, is_present = losses_now()
        self._before = None
        present = was_present & is_present
        rows, shares = present.nonzero()[:, 0], self._shares(present)
        fallen = torch.where(present, (before + SMALLEST).log() - (after + SMALLEST).log(), 0.0)
        gradient = shares * (fallen - (shares * fallen).sum()) + self.options.weights_decay * self.logits  # through the softmax
        together = torch.logsumexp(self.logits[rows], dim=0)
        adam_step(self.memory, self.logits, gradient[rows], rows, self.options.weights_lr)
        moved = torch.logsumexp(self.logits[rows], dim=0) - together
        self.logits = torch.where(present, self.logits, self.logits + moved)

    def _shares(self, present: Tensor) -> Tensor:
        """z (T,) over the tasks present, 0 for the others."""
        return torch.softmax(self.logits.masked_fill(~present, -math.inf), dim=0)

    def upgrade(self, state: dict[str, Any]) -> None:
        """Convert the state of earlier versions, which had TorchJD's parameter and the state of torch's Adam."""
        if "scalarizer._w" in state:
            state["logits"] = state.pop("scalarizer._w").detach()
            state.pop("scalarizer.min_losses", None)
            kept = (state.pop("_extra_state", None) or {}).get("optimizer")
            state["_extra_state"] = {}
            if kept and kept["state"]:
                adam = kept["state"][0]
                steps = torch.full_like(state["logits"], float(adam["step"]))
                moments = {"first_moment": adam["exp_avg"].clone(), "second_moment": adam["exp_avg_sq"].clone()}
                state["_extra_state"] = {**moments, "steps": steps}
