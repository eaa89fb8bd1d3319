"""DSelect-k: sparse gates that are learnt by gradient descent (Hazimeh et al. 2021, https://arxiv.org/abs/2106.03760)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mtl_core.sharing.experts import Expert, ExpertMixture, ExpertOptions


class DSelectKOptions(ExpertOptions):
    """Options of DSelect-k."""

    experts: Literal[2, 4, 8, 16] = Field(4, description="Number of experts, a power of 2: a gate names an expert by a binary number.")
    chosen: int = Field(2, ge=1, le=16, description="How many experts a gate may read at most (k of the paper).")
    per_image: bool = Field(False, description="Let a gate choose for each image, from pooled features. Otherwise it chooses once for all images.")
    gamma: float = Field(1.0, gt=0, le=100, description="Width of the smooth step. A smaller one decides earlier.")


class DSelectK(ExpertMixture):
    """As MMoE with the gate q(alpha, Z) = sum_{i<=k} softmax(alpha)_i r(z_i), where r(z)_j is the product of S(z_b) over the bits b
    that are set in the number j, and of 1 - S(z_b) over the others.

    S is the smooth step: 0 below -gamma / 2, 1 above gamma / 2, and -2 t^3 / gamma^3 + 3 t / (2 gamma) + 1/2 between. Where it has decided, an
    expert's weight is exactly 0. ``per_image`` makes z and alpha linear in the image's pooled features.

    Deviations: no entropy term in the loss, so gates may stay undecided; z begins uniform in +-gamma / 100, as in the authors' code. Every expert is
    computed, also one whose weight is 0.
    """

    title: ClassVar[str] = "DSelect-k"
    summary: ClassVar[str] = "As MMoE, but each task's gate learns to read few experts, and none of the others."
    Options = DSelectKOptions
    options: DSelectKOptions

    def experts_of(self, options: DSelectKOptions) -> list[Expert]:
        return [Expert(f"expert {number + 1}", self.tasks) for number in range(options.experts)]

    def build_gate(self, channels: int, count: int, options: DSelectKOptions) -> nn.Module:
        return SparseGate(channels, count, options)


class SparseGate(nn.Module):
    """Pooled feature (n, channels) -> weights (n, experts) of sum 1, at most ``chosen`` of them above 0 when every bit is decided."""

    codes: Tensor

    def __init__(self, channels: int, count: int, options: DSelectKOptions):
        super().__init__()
        bits, self.gamma, self.chosen, self.per_image = count.bit_length() - 1, options.gamma, options.chosen, options.per_image
        codes = (torch.arange(count)[:, None] >> torch.arange(bits)) & 1
        self.register_buffer("codes", codes.bool(), persistent=False)
        if self.per_image:
            self.bits, self.shares = nn.Linear(channels, options.chosen * bits), nn.Linear(channels, options.chosen)
            with torch.no_grad():
                self.bits.weight.mul_(options.gamma / 100)
                self.bits.bias.mul_(options.gamma / 100)
        else:
            self.bits = nn.Parameter(torch.empty(options.chosen * bits).uniform_(-options.gamma / 100, options.gamma / 100))
            self.shares = nn.Parameter(torch.empty(options.chosen).uniform_(-0.05, 0.05))

    def forward(self, feature: Tensor) -> Tensor:
        bits, shares = _values(self.bits, feature), _values(self.shares, feature)
        steps = smooth_step(bits.float(), self.gamma).unflatten(1, (self.chosen, -1))[:, :, None]  # (n or 1, k, 1, bits)
        each = torch.where(self.codes, steps, 1 - steps).prod(-1)
        weights = (shares.float().softmax(1)[..., None] * each).sum(1)
        return weights.expand(feature.shape[0], -1)  # not len(): an export would fix the number of images


def _values(source: nn.Linear | nn.Parameter, feature: Tensor) -> Tensor:
    """(n, values) of a layer, or (1, values) where a gate does not read the image."""
    return source(feature) if isinstance(source, nn.Linear) else source[None]


def smooth_step(value: Tensor, gamma: float) -> Tensor:
    """0 below -gamma / 2, 1 above gamma / 2, and a cubic between."""
    inside = -2 / gamma**3 * value**3 + 3 / (2 * gamma) * value + 0.5
    return torch.where(value <= -gamma / 2, torch.zeros_like(value), torch.where(value >= gamma / 2, torch.ones_like(value), inside))
