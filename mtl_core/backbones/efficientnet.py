"""torchvision's EfficientNet-B0 as a backbone (Tan and Le 2019, https://arxiv.org/abs/1905.11946)."""

from __future__ import annotations

from typing import ClassVar

from torchvision import models

from mtl_core.backbones.cut_network import CutNetwork, CutOptions, first_convolution
from mtl_core.backbones.published_weights import PublishedWeights, of_torchvision


class EfficientNetB0(CutNetwork):
    """Inverted residual blocks with squeeze and excitation, up to the last 1x1 convolution. In training, blocks are left out at random."""

    title: ClassVar[str] = "EfficientNet-B0"
    summary: ClassVar[str] = "4 million parameters, torchvision's implementation."
    published: ClassVar[PublishedWeights] = of_torchvision("efficientnet_b0_rwightman-7f5810bc.pth", 20.5)

    def __init__(self, options: CutOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network = models.efficientnet_b0(weights=None)
        first_convolution(network, image_shape[0], stride=1 if options.small_images else None)
        self.cut(network, list(network.features), image_shape[0])
