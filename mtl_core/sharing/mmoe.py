"""Multi-gate mixture of experts (Ma et al. 2018, https://doi.org/10.1145/3219819.3220007)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from mtl_core.sharing.experts import Expert, ExpertMixture, ExpertOptions


class MMoEOptions(ExpertOptions):
    """Options of MMoE."""

    experts: int = Field(3, ge=1, le=32, description="Number of experts. Each is a copy of the backbone's later stages, which costs as much.")


class MMoE(ExpertMixture):
    """z_t = sum_i g_t(u)_i f_i(u), g_t(u) = softmax(W_t u) (eq. 7 and 8): all tasks share all experts f_i, each has a gate g_t of its own.

    Deviations: u is the output of the backbone's first stages, and gates read its mean over places; in the paper experts and gates read the
    input, a vector. Gates have a bias. Every feature map of an expert is weighted by the same gate.
    """

    title: ClassVar[str] = "Mixture of experts (MMoE)"
    summary: ClassVar[str] = "Several copies of the later stages; for each image, each task's gate weights them."
    Options = MMoEOptions
    options: MMoEOptions

    def experts_of(self, options: MMoEOptions) -> list[Expert]:
        return [Expert(f"expert {number + 1}", self.tasks) for number in range(options.experts)]
