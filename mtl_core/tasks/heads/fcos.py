"""FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355): its head, and the assignment of places of the feature maps to boxes.

Deviation: batch normalisation in the pyramid, none in the head, instead of group normalisation in the head. On a CPU in bf16, group
normalisation alone took 30 % of the step; batch normalisation in the head would mix the statistics of the levels that share it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchvision import ops
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSRegressionHead

from mtl_core.backbones.backbone import FeatureInfo

FINEST_STRIDE = 8  # as in the paper (P3); finer maps are slow
CENTRE_RADIUS = 1.5  # in strides; FCOS's centre sampling


class DetectionHead(nn.Module):
    """Feature pyramid with FCOS's classification and regression heads, which all levels share.

    Output: ``cls_logits`` (n, A, K), ``bbox_regression`` (n, A, 4) as distances left, top, right, bottom in strides, ``bbox_ctrness``
    (n, A, 1), all float32, for the A places of all levels, and ``places`` (A, 3): x and y of the place in pixels and its stride.
    """

    def __init__(self, features: Sequence[FeatureInfo], classes: int, channels: int, convolutions: int):
        super().__init__()
        coarse_enough = [level for level, info in enumerate(features) if _stride(info) >= FINEST_STRIDE]
        self.levels = coarse_enough or [len(features) - 1]
        used = [features[level] for level in self.levels]
        self.strides = [_stride(info) for info in used]
        self.pyramid = ops.FeaturePyramidNetwork([info.channels for info in used], channels, norm_layer=nn.BatchNorm2d)
        self.classification = FCOSClassificationHead(channels, 1, classes, convolutions, norm_layer=nn.Identity)
        self.regression = FCOSRegressionHead(channels, 1, convolutions, norm_layer=nn.Identity)

    def forward(self, features: Sequence[Tensor]) -> dict[str, Tensor]:
        levels = self.pyramid({str(level): features[level] for level in self.levels})
        maps = list(levels.values())
        places = [grid(level.shape[-2:], stride, level.device) for level, stride in zip(maps, self.strides, strict=True)]
        sides, centreness = self.regression(maps)
        return {
            "cls_logits": self.classification(maps).float(),
            "bbox_regression": sides.float(),
            "bbox_ctrness": centreness.float(),
            "places": torch.cat(places),
        }


def _stride(info: FeatureInfo) -> int:
    assert info.stride is not None  # detection needs maps, which ``TaskKind.needs_map`` says
    return info.stride


def assign(places: Tensor, boxes: Tensor, classes: Tensor) -> Tensor:
    """The box that each place is responsible for.

    A place takes a box if it lies inside the box and within ``CENTRE_RADIUS`` strides of the box's centre, and if the box's size fits the
    place's level: largest distance to a side from 4 to 8 strides; below 4 at the finest level, above 8 at the coarsest. Of several boxes
    it takes the smallest. The rule of torchvision's ``FCOS.compute_loss``.

    Args:
        places: (A, 3) x, y, stride.
        boxes: (n, M, 4); classes: (n, M), -1 = padding.

    Returns:
        int64 (n, A): row of the box, -1 = none.
    """
    x, y, stride = places.T[:, :, None]  # (A, 1) each
    sides = torch.stack([x - boxes[:, None, :, 0], y - boxes[:, None, :, 1], boxes[:, None, :, 2] - x, boxes[:, None, :, 3] - y])  # (4, n, A, M)
    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    off_centre = torch.maximum((x - centres[:, None, :, 0]).abs(), (y - centres[:, None, :, 1]).abs())
    largest = sides.amax(0)
    lower = torch.where(stride == stride.min(), 0.0, 4 * stride)
    upper = torch.where(stride == stride.max(), torch.inf, 8 * stride)
    takes = (sides.amin(0) > 0) & (off_centre < CENTRE_RADIUS * stride) & (largest > lower) & (largest < upper) & (classes >= 0)[:, None]
    if boxes.shape[1] == 0:
        return torch.full(takes.shape[:2], -1, device=boxes.device)
    areas = torch.where(takes, ops.box_area(boxes.flatten(0, 1)).view(boxes.shape[:2])[:, None], torch.inf)
    smallest, row = areas.min(2)
    return torch.where(smallest.isfinite(), row, -1)


def grid(size: torch.Size, stride: int, device: torch.device) -> Tensor:
    """(h * w, 3): centre x, centre y and stride of each place of a map, row by row."""
    y, x = torch.meshgrid(torch.arange(size[0], device=device), torch.arange(size[1], device=device), indexing="ij")
    centres = (torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5) * stride
    return torch.cat([centres, torch.full_like(centres[:, :1], stride)], dim=1)


def anchors_of(places: Tensor) -> Tensor:
    """(A, 4): a square of one stride around each place. torchvision's coder measures distances from its centre."""
    centre, half = places[:, :2], places[:, 2:] / 2
    return torch.cat([centre - half, centre + half], dim=1)


def centreness_of(sides: Tensor) -> Tensor:
    """1 at a box's centre, towards 0 at its sides (eq. 3 of the paper). ``sides`` (F, 4): left, top, right, bottom, all positive."""
    across, down = sides[:, [0, 2]], sides[:, [1, 3]]
    return ((across.amin(1) / across.amax(1)) * (down.amin(1) / down.amax(1))).sqrt()
