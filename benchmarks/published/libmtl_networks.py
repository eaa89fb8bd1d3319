"""LibMTL's own architecture classes as sharing schemes, from the checkout that LIBMTL names, so that they can be measured beside ours.

A class of LibMTL takes encoders that give one tensor. Here an encoder is one of our backbones, whose features are enlarged to the size of the finest
and put side by side, and taken apart again before the heads: nothing is lost, and the heads are ours. Cross_stitch, MTAN, PLE and LTB take a ResNet
apart by its attributes (``layer1`` to ``layer4``), so they are not here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmarks.libmtl_checkout import libmtl
from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.model import Group, MultiTaskModel, SharingOptions

NAMES = {"HPS": "HPS", "MMoE": "MMoE", "CGC": "CGC", "DSelect_k": "DSelectK"}  # theirs -> the class below


class LibMTLOptions(SharingOptions):
    """None: the numbers of experts are the defaults of our schemes, so that both have as many."""


class LibMTLNetwork(MultiTaskModel):
    """Parent of the classes below, each of which names one class of ``LibMTL.architecture``.

    Class attributes:
        theirs: name of the class. more: its arguments beside the tasks, the encoder and the image's shape, which is (3, SIZE, SIZE).
    """

    title: ClassVar[str] = "LibMTL"
    summary: ClassVar[str] = "A class of LibMTL."
    Options = LibMTLOptions
    theirs: ClassVar[str]
    more: ClassVar[dict[str, Any]] = {}

    def build_features(self, make_backbone: Callable[[], Backbone], options: SharingOptions) -> Sequence[FeatureInfo]:
        features = make_backbone().features
        shape = [3, int(os.environ["LIBMTL_SIZE"]), int(os.environ["LIBMTL_SIZE"])]
        unchanged = nn.ModuleDict({task: nn.Identity() for task in self.tasks})  # in the place of their decoders
        arguments = {"img_size": shape, **self.more, "rep_grad": False, "multi_input": False, "device": torch.device("cpu")}
        if "num_experts" in self.more and len(self.more["num_experts"]) > 1:
            arguments["num_experts"] = [self.more["num_experts"][0], *[self.more["num_experts"][1]] * len(self.tasks)]
        self.network = getattr(libmtl().architecture, self.theirs)(list(self.tasks), lambda: SideBySide(make_backbone()), unchanged, **arguments)
        return features

    def features(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        mixed = self.network(images)
        return {task: self._apart(mixed[task]) for task in tasks}

    def _apart(self, together: Tensor) -> list[Tensor]:
        parts = together.split([info.channels for info in self.feature_info], dim=1)
        strides = [info.stride or 1 for info in self.feature_info]  # None: a vector, which our convolutional backbones do not give
        return [part[:, :, ::step, ::step] for part, step in zip(parts, [stride // strides[0] for stride in strides], strict=True)]

    def groups(self) -> list[Group]:
        return [Group(self.theirs, self.network.parameters(), self.tasks), *self.head_groups()]


class SideBySide(nn.Module):
    """A backbone as LibMTL's encoder: (n, 3, H, W) -> one map of all features, as large as the finest."""

    def __init__(self, backbone: Backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        features = self.backbone(images)
        return torch.cat([nn.functional.interpolate(each, size=features[0].shape[-2:], mode="nearest") for each in features], 1)


class HPS(LibMTLNetwork):
    """Hard parameter sharing."""

    theirs: ClassVar[str] = "HPS"


class MMoE(LibMTLNetwork):
    """Mixture of experts: whole encoders, gates on flattened pixels."""

    theirs: ClassVar[str] = "MMoE"
    more: ClassVar[dict[str, Any]] = {"num_experts": [3]}


class CGC(LibMTLNetwork):
    """Customised gate control: one shared encoder and one for each task."""

    theirs: ClassVar[str] = "CGC"
    more: ClassVar[dict[str, Any]] = {"num_experts": [1, 1]}


class DSelectK(LibMTLNetwork):
    """DSelect-k: four encoders, of which a gate on flattened pixels reads two."""

    theirs: ClassVar[str] = "DSelect_k"
    more: ClassVar[dict[str, Any]] = {"num_experts": [4], "num_nonzeros": 2, "kgamma": 1.0}

    def features(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        self.network._binary_codes = self.network._binary_codes.to(images.device)  # theirs is no buffer, so it does not move with the network
        return super().features(images, tasks)
