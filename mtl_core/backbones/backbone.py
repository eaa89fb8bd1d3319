"""Backbone: images in, features out. One family is one file in this package."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class BackboneOptions(BaseModel):
    """Parent of every backbone's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class FeatureInfo:
    """One entry of a backbone's feature list.

    Attributes:
        channels: size of dimension 1.
        stride: image pixels per feature pixel; None for a vector (n, channels) without place.
    """

    channels: int
    stride: int | None


class Backbone(nn.Module, ABC):
    """The part of the network that every task can use.

    Class attributes:
        gives_map: False where the only feature is a vector.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    gives_map: ClassVar[bool]
    Options: ClassVar[type[BackboneOptions]]
    features: tuple[FeatureInfo, ...]

    @abstractmethod
    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images (n, C, H, W) -> features in the order of ``self.features``, finest first."""
