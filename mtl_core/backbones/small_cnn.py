"""A small convolutional network that learns within a minute on a laptop's CPU."""

from __future__ import annotations

import itertools
from typing import ClassVar

from pydantic import Field
from torch import nn

from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage


class SmallCNNOptions(BackboneOptions):
    """Options of the small CNN."""

    width: int = Field(32, ge=8, le=256, description="Channels of the first stage; each further stage has twice as many.")
    stages: int = Field(3, ge=2, le=5, description="Number of stages; each halves height and width.")


class SmallCNN(Backbone):
    """Stages of two 3x3 convolutions with batch normalisation; the first of each has stride 2.

    Features: one map per stage, strides 2, 4, 8, ...
    """

    title: ClassVar[str] = "Small CNN"
    summary: ClassVar[str] = "Two convolutions per stage. Fits every task; small enough to train on a CPU."
    gives_map: ClassVar[bool] = True
    Options = SmallCNNOptions
    options: SmallCNNOptions

    def __init__(self, options: SmallCNNOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        channels = [image_shape[0], *(options.width * 2**stage for stage in range(options.stages))]
        self.set_stages([_stage(number, inputs, outputs) for number, (inputs, outputs) in enumerate(itertools.pairwise(channels))])


def _stage(number: int, inputs: int, outputs: int) -> Stage:
    return Stage(
        f"stages.{number}",
        FeatureInfo(outputs, 2 ** (number + 1)),
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
