"""torchvision's residual networks as backbones (He et al. 2016, https://arxiv.org/abs/1512.03385)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import Field
from torch import nn
from torchvision import models

from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage
from mtl_core.backbones.published_weights import PublishedWeights, of_torchvision


class ResNetOptions(BackboneOptions):
    """Options of a residual network."""

    small_images: bool = Field(
        True,
        description="For images up to about 64 pixels: a 3x3 first convolution of stride 1 and no max-pooling, so that strides are 1, 2, 4, 8 "
        "instead of 4, 8, 16, 32. Published weights need it off.",
    )


class ResNet18(Backbone):
    """ResNet-18: a stem, and features after each of the four layers that follow.

    Deviation from the paper with ``small_images``: the stem used for 32x32 images in that paper's CIFAR experiments.
    """

    title: ClassVar[str] = "ResNet-18"
    summary: ClassVar[str] = "11 million parameters, torchvision's implementation. Slow on a CPU, strong on a GPU."
    gives_map: ClassVar[bool] = True
    make: ClassVar[Callable[..., nn.Module]] = staticmethod(models.resnet18)
    widening: ClassVar[int] = 1  # of a block's output
    published: ClassVar[PublishedWeights] = of_torchvision("resnet18-f37072fd.pth", 44.7)
    Options = ResNetOptions
    options: ResNetOptions

    def __init__(self, options: ResNetOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network: Any = self.make(weights=None)
        channels = image_shape[0]
        if options.small_images:
            stem: list[nn.Module] = [nn.Conv2d(channels, 64, 3, padding=1, bias=False), network.bn1, network.relu]
        else:
            stem = [nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False), network.bn1, network.relu, network.maxpool]
        assert isinstance(stem[0], nn.Conv2d)
        nn.init.kaiming_normal_(stem[0].weight, mode="fan_out", nonlinearity="relu")  # as torchvision initialises its convolutions
        first = 1 if options.small_images else 4
        layers = (network.layer1, network.layer2, network.layer3, network.layer4)
        infos = [FeatureInfo(64 * self.widening * 2**number, first * 2**number) for number in range(len(layers))]
        stages = [Stage(f"stages.{number}", info, *layer) for number, (info, layer) in enumerate(zip(infos, layers, strict=True))]
        self.set_stages([Stage("stem", FeatureInfo(64, first), *stem, is_feature=False), *stages])
        self.remember_names(network)
        self.published_names["stem.0.weight"] = "conv1.weight"

    @classmethod
    def published_weights(cls, options: ResNetOptions) -> PublishedWeights | None:
        return None if options.small_images else cls.published

    @classmethod
    def unpublished(cls, options: ResNetOptions) -> str:
        if options.small_images:
            return f"the weights of {cls.title} belong to its own first layers. Set small_images to false, or take another backbone"
        return ""


class ResNet34(ResNet18):
    """ResNet-34: as ResNet-18, with more blocks."""

    title: ClassVar[str] = "ResNet-34"
    summary: ClassVar[str] = "21 million parameters, torchvision's implementation. For a GPU."
    make: ClassVar[Callable[..., nn.Module]] = staticmethod(models.resnet34)
    published: ClassVar[PublishedWeights] = of_torchvision("resnet34-b627a593.pth", 83.3)


class ResNet50(ResNet18):
    """ResNet-50: bottleneck blocks, whose outputs are four times as wide."""

    title: ClassVar[str] = "ResNet-50"
    summary: ClassVar[str] = "24 million parameters, torchvision's implementation. For a GPU."
    make: ClassVar[Callable[..., nn.Module]] = staticmethod(models.resnet50)
    widening: ClassVar[int] = 4
    published: ClassVar[PublishedWeights] = of_torchvision("resnet50-11ad3fa6.pth", 97.8)
