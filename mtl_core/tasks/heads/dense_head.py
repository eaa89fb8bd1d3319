"""The head of tasks with a prediction per pixel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.functional import interpolate

from mtl_core.backbones.backbone import FeatureInfo


class DenseHead(nn.Module):
    """A light top-down decoder in the manner of feature pyramid networks (Lin et al. 2017, https://arxiv.org/abs/1612.03144).

    1x1 convolutions bring every level to the same channels, coarse levels are enlarged and added to finer ones, one 3x3
    convolution smooths the finest, a 1x1 convolution gives the outputs, enlarged bilinearly to the image.
    torchvision's FeaturePyramidNetwork smooths every level; this head reads only the finest, so the other convolutions would never be trained.
    """

    def __init__(self, features: Sequence[FeatureInfo], outputs: int, image_size: tuple[int, int], channels: int):
        super().__init__()
        self.image_size = image_size
        self.laterals = nn.ModuleList(nn.Conv2d(level.channels, channels, 1) for level in features)
        self.smooth = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.predict = nn.Conv2d(channels, outputs, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Features, finest first -> float32 (n, outputs, H, W)."""
        merged = self.laterals[-1](features[-1])
        for lateral, level in zip(reversed(self.laterals[:-1]), reversed(features[:-1]), strict=True):
            merged = lateral(level) + interpolate(merged, size=level.shape[-2:], mode="nearest")
        output = self.predict(self.smooth(merged)).float()
        return interpolate(output, size=self.image_size, mode="bilinear", align_corners=False)
