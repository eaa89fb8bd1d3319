"""torchvision's MobileNetV3 as a backbone (Howard et al. 2019, https://arxiv.org/abs/1905.02244)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field
from torchvision import models

from mtl_core.backbones.cut_network import CutNetwork, CutOptions, first_convolution
from mtl_core.backbones.published_weights import PublishedWeights, of_torchvision

MADE = {"small": models.mobilenet_v3_small, "large": models.mobilenet_v3_large}
PUBLISHED = {"small": of_torchvision("mobilenet_v3_small-047dcff4.pth", 9.8), "large": of_torchvision("mobilenet_v3_large-5c1a4163.pth", 21.1)}


class MobileNetOptions(CutOptions):
    """Options of MobileNetV3."""

    size: Literal["small", "large"] = Field("small", description="'small': 0.9 million parameters; 'large': 3 million.")


class MobileNetV3(CutNetwork):
    """Inverted residual blocks with squeeze and excitation, up to the last 1x1 convolution. The classifier is left out."""

    title: ClassVar[str] = "MobileNetV3"
    summary: ClassVar[str] = "0.9 or 3 million parameters, torchvision's implementation. Made for small processors."
    Options = MobileNetOptions
    options: MobileNetOptions

    def __init__(self, options: MobileNetOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network = MADE[options.size](weights=None)
        first_convolution(network, image_shape[0], stride=1 if options.small_images else None)
        self.cut(network, list(network.features), image_shape[0])

    @classmethod
    def published_weights(cls, options: MobileNetOptions) -> PublishedWeights | None:
        return PUBLISHED[options.size]
