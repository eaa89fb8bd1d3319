"""Customised gate control, the one-level form of PLE (Tang et al. 2020, https://doi.org/10.1145/3383313.3412236)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mtl_core.sharing.experts import Expert, ExpertMixture, ExpertOptions


class CGCOptions(ExpertOptions):
    """Options of CGC."""

    shared_experts: int = Field(1, ge=1, le=16, description="Experts that all tasks read. Each is a copy of the backbone's later stages.")
    task_experts: int = Field(1, ge=1, le=16, description="Experts that only one task reads, for each task.")


class CGC(ExpertMixture):
    """z_t = w_t(u) S_t(u), w_t(u) = softmax(W_t u), where S_t are the outputs of task t's own experts and of the shared ones.

    Deviations, as for the other mixtures: u is the output of the backbone's first stages, and gates read its mean over places; gates have a bias.
    """

    title: ClassVar[str] = "Customised gate control (CGC)"
    summary: ClassVar[str] = "As MMoE, but each task has experts of its own beside the shared ones."
    Options = CGCOptions
    options: CGCOptions

    def experts_of(self, options: CGCOptions) -> list[Expert]:
        shared = [Expert(f"shared expert {number + 1}", self.tasks) for number in range(options.shared_experts)]
        return [*shared, *(Expert(f"expert {number + 1} of {task}", (task,)) for task in self.tasks for number in range(options.task_experts))]
