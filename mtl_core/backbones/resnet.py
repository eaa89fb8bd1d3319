"""torchvision's ResNet-18 as a backbone (He et al. 2016, https://arxiv.org/abs/1512.03385)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn
from torchvision.models import resnet18

from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage


class ResNetOptions(BackboneOptions):
    """Options of ResNet-18."""

    small_images: bool = Field(
        True,
        description="For images up to about 64 pixels: a 3x3 first convolution of stride 1 and no max-pooling, so that strides are 1, 2, 4, 8 "
        "instead of 4, 8, 16, 32.",
    )


class ResNet18(Backbone):
    """ResNet-18 with random initial parameters: a stem, and features after each of the four layers that follow.

    Deviation from the paper with ``small_images``: the stem used for 32x32 images in that paper's CIFAR experiments.
    """

    title: ClassVar[str] = "ResNet-18"
    summary: ClassVar[str] = "11 million parameters, torchvision's implementation. Slow on a CPU, strong on a GPU."
    gives_map: ClassVar[bool] = True
    Options = ResNetOptions
    options: ResNetOptions

    def __init__(self, options: ResNetOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network = resnet18(weights=None)
        channels = image_shape[0]
        if options.small_images:
            stem: list[nn.Module] = [nn.Conv2d(channels, 64, 3, padding=1, bias=False), network.bn1, network.relu]
        else:
            stem = [nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False), network.bn1, network.relu, network.maxpool]
        assert isinstance(stem[0], nn.Conv2d)
        nn.init.kaiming_normal_(stem[0].weight, mode="fan_out", nonlinearity="relu")  # as torchvision initialises its convolutions
        first = 1 if options.small_images else 4
        layers = (network.layer1, network.layer2, network.layer3, network.layer4)
        stages = [Stage(f"stages.{number}", FeatureInfo(64 * 2**number, first * 2**number), *layer) for number, layer in enumerate(layers)]
        self.set_stages([Stage("stem", FeatureInfo(64, first), *stem, is_feature=False), *stages])
