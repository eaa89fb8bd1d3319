"""Features that each backbone gives, computed once: a head knows nothing else of the network before it."""

from __future__ import annotations

from functools import cache

import torch

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.backbone import Backbone

SIZE, MOST = 32, 12  # pixels; images


@cache
def backbone_of(name: str, device: str = "cpu") -> Backbone:
    """A backbone with random values and its default options, for colour images of SIZE x SIZE. On ``meta`` it has sizes alone."""
    backbone_class = BACKBONES.load(name)
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        return backbone_class(backbone_class.Options(), (3, SIZE, SIZE)).eval()


@cache
def _features_of(name: str) -> list[torch.Tensor]:
    backbone_class = BACKBONES.load(name)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        backbone = backbone_class(backbone_class.Options(), (3, SIZE, SIZE))  # not kept: some have 25 million numbers
        return backbone(torch.randn(MOST, 3, SIZE, SIZE))


def features_of(name: str, count: int) -> list[torch.Tensor]:
    """What the backbone gives for ``count`` images, finest level first; leaves of a graph of its own, so that they have gradients."""
    assert count <= MOST
    return [level[:count].clone().requires_grad_() for level in _features_of(name)]
