"""LeNet as multi-task papers use it on MultiMNIST (Sener and Koltun 2018, https://arxiv.org/abs/1810.04650): two convolutions, one vector."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import nn

from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage

KERNEL = 5
CHANNELS = (10, 20)


class LeNetOptions(BackboneOptions):
    """Options of LeNet."""

    hidden: int = Field(50, ge=1, le=4096, description="Units of the fully connected layer, which the heads read. The paper uses 50.")
    dropout: float = Field(
        0.5, ge=0, lt=1, description="Share of the second convolution's channels that is dropped in training. The authors' code uses 0.5; 0 for none."
    )


class LeNet(Backbone):
    """Two 5x5 convolutions of 10 and 20 channels, each with 2x2 maximum pooling and ReLU, then one fully connected layer with ReLU.

    Deviations from the authors' code: dropout drops channels per image and scales up the others; theirs drops the same channels
    for the whole batch without scaling. Channels and size of the images may differ from MNIST's.
    """

    title: ClassVar[str] = "LeNet"
    summary: ClassVar[str] = "Two 5x5 convolutions and a fully connected layer, as papers use it on MultiMNIST. For whole-image tasks only."
    gives_map: ClassVar[bool] = False
    Options = LeNetOptions
    options: LeNetOptions

    def __init__(self, options: LeNetOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        channels = image_shape[0]
        first, second = CHANNELS
        height, width = _sides(image_shape)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, first, KERNEL),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(first, second, KERNEL),
            nn.Dropout2d(options.dropout),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second * height * width, options.hidden),
            nn.ReLU(),
        )
        # Each stage has the name of its layer with parameters.
        self.set_stages(
            [
                Stage("layers.0", FeatureInfo(first, 2), *self.layers[:3], is_feature=False),
                Stage("layers.3", FeatureInfo(second, 4), *self.layers[3:7], is_feature=False),
                Stage("layers.8", FeatureInfo(options.hidden, None), *self.layers[7:]),
            ]
        )

    @classmethod
    def problem(cls, options: LeNetOptions, image_shape: tuple[int, int, int]) -> str:
        if min(_sides(image_shape)) >= 1:
            return ""
        height, width = image_shape[1:]
        return f"LeNet needs images of at least 16x16 pixels, found {height}x{width}. Take larger images or another backbone"


def _sides(image_shape: tuple[int, int, int]) -> tuple[int, int]:
    """Height and width of the second convolution's maps after pooling; below 1 if the images are too small."""
    height, width = (_pooled(_pooled(side)) for side in image_shape[1:])
    return height, width


def _pooled(side: int) -> int:
    """Length of a side after one convolution and its pooling."""
    return (side - KERNEL + 1) // 2
