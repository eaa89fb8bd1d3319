"""A multi-layer perceptron on the flattened image. With layers of 64 and 32 it is a classic small network for MNIST (784-64-32-10)."""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage


class MLPOptions(BackboneOptions):
    """Options of the MLP."""

    hidden: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        [64, 32], min_length=1, max_length=8, description="Units of each hidden layer. The classic small network for MNIST has 64, 32."
    )


class MLP(Backbone):
    """Linear layers with ReLU. The only feature is a vector, so tasks that need feature maps do not fit."""

    title: ClassVar[str] = "MLP"
    summary: ClassVar[str] = "Fully connected layers on the flattened pixels. For whole-image tasks only."
    gives_map: ClassVar[bool] = False
    Options = MLPOptions
    options: MLPOptions

    def __init__(self, options: MLPOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        channels, height, width = image_shape
        sizes = [channels * height * width, *options.hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        # Each stage has the name of its linear layer, the only one with parameters. The first stage also flattens the image.
        places = range(1, len(layers), 2)
        self.set_stages(
            [
                Stage(f"layers.{at}", FeatureInfo(units, None), *layers[0 if at == 1 else at : at + 2], is_feature=at == places[-1])
                for at, units in zip(places, options.hidden, strict=True)
            ]
        )
