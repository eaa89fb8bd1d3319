"""Features as each backbone gives them: a head knows nothing else of the network before it than their sizes."""

from __future__ import annotations

from functools import cache

import torch

from mtl_core.backbones import BACKBONES
from mtl_core.backbones.backbone import Backbone

SIZE = 32  # pixels


@cache
def backbone_of(name: str, device: str = "cpu") -> Backbone:
    """A backbone with random values and its default options, for colour images of SIZE x SIZE. On ``meta`` it has sizes alone."""
    backbone_class = BACKBONES.load(name)
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        return backbone_class(backbone_class.Options(), (3, SIZE, SIZE)).eval()


@cache
def _sizes_of(name: str) -> list[torch.Size]:
    """Sizes of what the backbone makes of an image. Its shapes alone are computed: some backbones have 25 million numbers."""
    with torch.no_grad():
        return [level.shape[1:] for level in backbone_of(name, "meta")(torch.zeros(1, 3, SIZE, SIZE, device="meta"))]


def features_of(name: str, count: int) -> list[torch.Tensor]:
    """Random features of the sizes that the backbone gives for ``count`` images, finest level first; leaves, so that they have gradients."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, *size, generator=generator).requires_grad_() for size in _sizes_of(name)]
