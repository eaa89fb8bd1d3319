"""The head of tasks with one prediction for the whole image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.tasks.heads.pooling import highest_over_places, mean_over_places


class PooledHead(nn.Module):
    """One linear layer on the coarsest feature: a vector unchanged, a map as its mean and maximum over places, concatenated.

    The maximum shows whether something is present, which recognising needs; the mean shows how much, which counting needs.
    """

    def __init__(self, features: Sequence[FeatureInfo], outputs: int):
        super().__init__()
        coarsest = features[-1]
        self.is_map = coarsest.stride is not None
        self.linear = nn.Linear(coarsest.channels * (2 if self.is_map else 1), outputs)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Features, finest first -> float32 (n, outputs)."""
        coarsest = features[-1]
        if self.is_map:
            coarsest = torch.cat([mean_over_places(coarsest), highest_over_places(coarsest)], dim=1)
        return self.linear(coarsest).float()
