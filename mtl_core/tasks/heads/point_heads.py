"""Heads of tasks that locate named points. Output: ``points`` (n, K, 2) shares of width and height, ``there`` (n, K) logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.tasks.heads.dense_head import DenseHead
from mtl_core.tasks.heads.pooled_head import PooledHead

FINER = 2  # image pixels per place of a heat map; the mean place has a finer resolution


class HeatMapHead(nn.Module):
    """A heat map for each point, and its mean place (soft-argmax). The output also has ``logits`` (n, K, h, w)."""

    y: Tensor

    x: Tensor

    def __init__(self, features: Sequence[FeatureInfo], points: int, image_size: tuple[int, int], channels: int):
        super().__init__()
        height, width = (max(1, -(-side // FINER)) for side in image_size)
        self.maps = DenseHead(features, points, (height, width), channels)
        self.there = PooledHead(features, points)
        self.register_buffer("x", (torch.arange(width, dtype=torch.float32) + 0.5) / width, persistent=False)
        self.register_buffer("y", (torch.arange(height, dtype=torch.float32) + 0.5) / height, persistent=False)

    def forward(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """Features, finest first."""
        logits = self.maps(features)
        share = logits.flatten(2).softmax(-1).view(logits.shape)
        points = torch.stack([(share.sum(2) * self.x).sum(-1), (share.sum(3) * self.y).sum(-1)], dim=-1)
        return {"points": points, "there": self.there(features), "logits": logits}


class CoordinateHead(nn.Module):
    """Two numbers for each point, from the pooled features. 0 is the middle of the frame, so points start near it."""

    def __init__(self, features: Sequence[FeatureInfo], points: int):
        super().__init__()
        self.count = points
        self.linear = PooledHead(features, 3 * points)

    def forward(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        """Features, finest first."""
        said = self.linear(features).view(-1, self.count, 3)
        return {"points": said[..., :2].sigmoid(), "there": said[..., 2]}
