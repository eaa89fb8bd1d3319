"""Aligned-MTL (Senushkin et al. 2023, Independent Component Alignment, https://arxiv.org/abs/2305.19000, algorithm 1), by TorchJD."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor
from torchjd.aggregation import AlignedMTLWeighting

from mtl_core.balancing.balancer import GramianAggregator
from mtl_core.balancing.balancer_options import GramianOptions
from mtl_core.balancing.paper import Paper


class AlignedMTLOptions(GramianOptions):
    """Options of Aligned-MTL."""

    scale: Literal["min", "median", "rmse"] = Field(
        "min", description="Common length of the aligned components: the smallest singular value (the paper's), the median, or the root mean square."
    )


class AlignedMTL(GramianAggregator):
    """The gradients' principal components are stretched to one length, which makes the system of gradients orthogonal; then the mean is taken."""

    title: ClassVar[str] = "Aligned-MTL"
    summary: ClassVar[str] = "Stretches the gradients' principal components to one length, so that no direction dominates."
    paper: ClassVar[Paper] = Paper(
        "Independent Component Alignment for Multi-Task Learning", "Senushkin et al.", 2023, "https://arxiv.org/abs/2305.19000", "algorithm 1"
    )
    formula: ClassVar[str] = "d = 1/T' sum_i w_i g_i,   w = sigma_min V S^(-1) V' 1,   G = V S^2 V'"
    when_to_use: ClassVar[str] = (
        "When some gradients dominate and others conflict with them. Near conflict steps are short: they have the length of the smallest component."
    )
    deviations: ClassVar[str] = (
        "The mean of the aligned gradients is taken, as in the paper with equal preferences; the authors' code takes their sum, T' times as much. "
        "Their code scales with the smallest singular value or the mean of the squared ones ('rmse'); 'median' is TorchJD's."
    )
    pareto_stationary: ClassVar[bool] = True
    Options = AlignedMTLOptions
    options: AlignedMTLOptions

    def __init__(self, options: AlignedMTLOptions, task_count: int):
        super().__init__(options, task_count)
        self.weighting = AlignedMTLWeighting(scale_mode=options.scale)

    def coefficients(self, gramian: Tensor, rows: Tensor) -> Tensor:
        # float32: TorchJD's tolerance for a zero component then matches the rounding of the scalar products
        return self.weighting((gramian / gramian.trace().clamp(min=1e-300)).float())
