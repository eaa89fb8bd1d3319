"""The two-dimensional problem of CAGrad (Liu et al. 2021, https://arxiv.org/abs/2110.14048, appendix B), which Nash-MTL uses too.

For (x, y), with c1 = max(tanh(y / 2), 0) and c2 = max(tanh(-y / 2), 0)::

    L1 = c1 (log(max(|(-x - 7) / 2 - tanh(-y)|, 0.000005)) + 6)     + c2 (((x - 7)^2 + (y + 8)^2 / 10) / 10 - 20)
    L2 = c1 (log(max(|(-x + 3) / 2 + tanh(-y) + 2|, 0.000005)) + 6) + c2 (((x + 7)^2 + (y + 8)^2 / 10) / 10 - 20)

These are the formulas of both papers' code, which made their figures. Both papers print ``- tanh(-y)`` in the second loss: its valley would lie at
x = 9 for large y, and lies at x = 5.

Nash-MTL multiplies the first loss by 0.1, which is the default here.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from mtl_core.balancing.paper import Paper
from mtl_core.plane.landscape import Landscape, LandscapeOptions

LEAST = 0.000005  # inside the logarithms


class ToyOptions(LandscapeOptions):
    """How unequal the losses are."""

    first_scale: float = Field(0.1, gt=0, le=10, description="Factor on the first loss: 1 as in CAGrad, 0.1 as in Nash-MTL.")


class CAGradToy(Landscape):
    title: ClassVar[str] = "Two valleys"
    summary: ClassVar[str] = "The losses have valleys on the way down, in which their gradients conflict and one gradient is much longer."
    paper: ClassVar[Paper | None] = Paper(
        "Conflict-Averse Gradient Descent for Multi-task Learning", "Liu et al.", 2021, "https://arxiv.org/abs/2110.14048", "appendix B"
    )
    bounds: ClassVar[tuple[float, float, float, float]] = (-10.0, 10.0, -10.0, 10.0)
    starts: ClassVar[tuple[tuple[float, float], ...]] = ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
    step: ClassVar[float] = 0.05
    Options: ClassVar[type[LandscapeOptions]] = ToyOptions
    options: ToyOptions

    def losses(self, points: Tensor) -> Tensor:
        x, y = points[..., 0], points[..., 1]
        upper, lower = _positive(torch.tanh(y / 2)), _positive(torch.tanh(-y / 2))
        valleys = [_valley((-x - 7) / 2 - torch.tanh(-y)), _valley((-x + 3) / 2 + torch.tanh(-y) + 2)]
        bowls = [((x - 7).square() + (y + 8).square() / 10) / 10 - 20, ((x + 7).square() + (y + 8).square() / 10) / 10 - 20]
        first, second = (upper * valley + lower * bowl for valley, bowl in zip(valleys, bowls, strict=True))
        return torch.stack([self.options.first_scale * first, second], dim=-1)

    def lowest(self) -> tuple[float, float]:
        """The bowls' bottoms at -20; the valleys' are above, at log(0.000005) + 6 = -6.2."""
        return -20.0 * self.options.first_scale, -20.0

    def front(self) -> np.ndarray:
        """Between the bottoms of the two bowls. Along that line y is the same for both, close to -8; it is found on a fine grid."""
        y = torch.linspace(self.bounds[2], -6.0, 4001)
        with torch.no_grad():
            best = y[self.losses(torch.stack([torch.zeros_like(y), y], dim=-1))[:, 1].argmin()]
        x = np.linspace(-7.0, 7.0, 57)
        return np.stack([x, np.full_like(x, float(best))], axis=1)


def _positive(values: Tensor) -> Tensor:
    """``max(values, 0)`` whose gradient at 0 is 1. torch's ``clamp`` gives 0 there, and a start at y = 0 would never move."""
    return torch.where(values >= 0, values, torch.zeros_like(values))


def _valley(values: Tensor) -> Tensor:
    size = values.abs()
    return torch.log(torch.where(size >= LEAST, size, torch.full_like(size, LEAST))) + 6
