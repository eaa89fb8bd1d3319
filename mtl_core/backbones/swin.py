"""torchvision's Swin transformer as a backbone (Liu et al. 2021, https://arxiv.org/abs/2103.14030)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torchvision import models

from mtl_core.backbones.cut_network import CutNetwork, CutOptions, first_convolution
from mtl_core.backbones.published_weights import PublishedWeights, of_torchvision


class SwinTiny(CutNetwork):
    """Transformer blocks whose attention stays within windows of 7x7 places, in four stages. The last normalisation follows the last block; the finer
    features have none. In training, blocks are left out at random."""

    title: ClassVar[str] = "Swin-T"
    summary: ClassVar[str] = "28 million parameters, torchvision's implementation. For a GPU."
    published: ClassVar[PublishedWeights] = of_torchvision("swin_t-704ceda3.pth", 108.2)
    has_stem: ClassVar[bool] = False

    def __init__(self, options: CutOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network = models.swin_t(weights=None)
        first_convolution(network, image_shape[0], stride=2 if options.small_images else None)
        patches, *parts = network.features
        self.cut(network, [_ChannelsFirst(patches, from_last=False), *map(_ChannelsFirst, parts), _ChannelsFirst(network.norm)], image_shape[0])


class _ChannelsFirst(nn.Sequential):
    """A part of torchvision's network, which has channels last, from maps (n, C, H, W) to maps."""

    def __init__(self, part: nn.Module, from_last: bool = True):
        super().__init__(part)
        self.from_last = from_last

    def forward(self, images: Tensor) -> Tensor:
        return self[0](images.permute(0, 2, 3, 1) if self.from_last else images).permute(0, 3, 1, 2).contiguous()
