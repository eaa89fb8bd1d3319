"""torchvision's ConvNeXt as a backbone (Liu et al. 2022, https://arxiv.org/abs/2201.03545)."""

from __future__ import annotations

from typing import ClassVar

from torchvision import models

from mtl_core.backbones.cut_network import CutNetwork, CutOptions, first_convolution
from mtl_core.backbones.published_weights import PublishedWeights, of_torchvision


class ConvNeXtTiny(CutNetwork):
    """Blocks of 7x7 depthwise convolutions with layer normalisation. The classifier's normalisation follows the last block; the finer features
    have none. In training, blocks are left out at random."""

    title: ClassVar[str] = "ConvNeXt-T"
    summary: ClassVar[str] = "28 million parameters, torchvision's implementation. For a GPU."
    published: ClassVar[PublishedWeights] = of_torchvision("convnext_tiny-983f1562.pth", 109.1)
    has_stem: ClassVar[bool] = False

    def __init__(self, options: CutOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network = models.convnext_tiny(weights=None)
        first_convolution(network, image_shape[0], stride=2 if options.small_images else None)
        self.cut(network, [*network.features, network.classifier[0]], image_shape[0])
