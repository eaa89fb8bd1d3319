"""CutNetwork: parent of backbones that are networks of torchvision, cut into stages where their maps get smaller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import nn

from mtl_core.backbones.backbone import Backbone, BackboneOptions, FeatureInfo, Stage
from mtl_core.backbones.published_weights import PublishedWeights

PROBE = 64  # pixels on a side of the image that measures the strides; every stride divides it


class CutOptions(BackboneOptions):
    """Options of a network for photographs that can be used on small images."""

    small_images: bool = Field(
        False,
        description="For images up to about 96 pixels: the first layer moves by half as many pixels, so that all maps are twice as large. Published "
        "weights fit all the same. A step takes about four times as long.",
    )


class CutNetwork(Backbone):
    """A network whose parts run one after another, cut after the last part of each stride.

    Class attributes:
        published: the weights that can be fetched; None for none.
        has_stem: the parts of the largest maps are a stem, which the heads do not read, where these maps are larger than a quarter of the image.
    """

    gives_map: ClassVar[bool] = True
    published: ClassVar[PublishedWeights | None] = None
    has_stem: ClassVar[bool] = True
    Options = CutOptions
    options: CutOptions

    @classmethod
    def published_weights(cls, options: BackboneOptions) -> PublishedWeights | None:
        return cls.published

    @classmethod
    def coarsest_stride(cls, options: CutOptions) -> int:
        """Image pixels per pixel of the smallest map."""
        return 16 if options.small_images else 32

    @classmethod
    def problem(cls, options: CutOptions, image_shape: tuple[int, int, int]) -> str:
        least, (height, width) = cls.coarsest_stride(options), image_shape[1:]
        if min(height, width) >= least:
            return ""
        small = "" if options.small_images else "Set small_images, take larger images or another backbone"
        cure = small or "Take larger images or another backbone"
        return f"{cls.title} needs images of at least {least}x{least} pixels, found {height}x{width}. {cure}"

    def cut(self, network: nn.Module, parts: Sequence[nn.Module], channels: int, sides: tuple[int, int] = (PROBE, PROBE)) -> None:
        """Make ``parts`` of ``network``, which run one after another on images of ``channels`` channels, the stages of this backbone.

        Names of tensors in files of published weights are those of ``network``.

        Args:
            sides: height and width of the images that measure the strides, for a network that is built for one size.
        """
        groups: list[tuple[FeatureInfo, list[nn.Module]]] = []
        for part, info in zip(parts, measured(parts, channels, sides), strict=True):
            if groups and groups[-1][0].stride == info.stride:
                groups[-1] = (info, [*groups[-1][1], part])
            else:
                groups.append((info, [part]))
        stem = [Stage("stem", groups[0][0], *groups[0][1], is_feature=False)] if self.has_stem and (groups[0][0].stride or 1) < 4 else []
        rest = groups[len(stem) :]
        self.set_stages([*stem, *(Stage(f"stages.{number}", info, *modules) for number, (info, modules) in enumerate(rest))])
        self.remember_names(network)


def measured(parts: Sequence[nn.Module], channels: int, sides: tuple[int, int] = (PROBE, PROBE)) -> list[FeatureInfo]:
    """Channels and stride after each part, by running them on an empty image of these sides."""
    images, found = torch.zeros(1, channels, *sides), []
    training = [part.training for part in parts]
    with torch.no_grad():
        for part in parts:
            images = part.eval()(images)
            found.append(FeatureInfo(images.shape[1], sides[0] // images.shape[2]))
    for part, was in zip(parts, training, strict=True):
        part.train(was)
    return found


def first_convolution(network: nn.Module, channels: int, stride: int | None = None) -> None:
    """Give the first convolution of a network other input channels, and another stride where ``stride`` says so. Nothing changes where it fits."""
    name, old = next((name, module) for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    if channels != old.in_channels:
        shape: Any = (old.kernel_size, old.stride, old.padding)  # torch types them as tuples of any length
        new = nn.Conv2d(channels, old.out_channels, *shape, bias=old.bias is not None)
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        if new.bias is not None:
            nn.init.zeros_(new.bias)
        parent, _, last = name.rpartition(".")
        setattr(network.get_submodule(parent), last, new)
        old = new
    if stride is not None:
        side = old.kernel_size[0]
        old.stride, old.padding = (stride, stride), ((side - stride + 1) // 2,) * 2
