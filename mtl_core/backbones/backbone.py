"""Backbone: images in, features out. One family is one file in this package."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn


class BackboneOptions(BaseModel):
    """Parent of every backbone's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class FeatureInfo:
    """What a stage gives, or one entry of a backbone's feature list.

    Attributes:
        channels: size of dimension 1.
        stride: image pixels per feature pixel; None for a vector (n, channels) without place.
    """

    channels: int
    stride: int | None


class Stage(nn.Sequential):
    """A piece of a backbone: modules that run one after another, a tensor in and a tensor out.

    Attributes:
        name: the path of its tensors inside the backbone, such as ``stem`` or ``stages.0``. Curves by block carry it.
        gives: what comes out.
        is_feature: whether the heads read what comes out.
    """

    def __init__(self, name: str, gives: FeatureInfo, *modules: nn.Module, is_feature: bool = True):
        super().__init__(*modules)
        self.name, self.gives, self.is_feature = name, gives, is_feature


class Stages(nn.Module):
    """A backbone's stages in the order in which they run, as a sequence. It is a module, because tensors called ``stages.0...`` are found through it;
    its own children are only the stages with such names."""

    def __init__(self, stages: Sequence[Stage]):
        super().__init__()
        self.in_order = tuple(stages)

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.in_order)

    def __len__(self) -> int:
        return len(self.in_order)

    def __getitem__(self, place: int) -> Stage:
        return self.in_order[place]


class Backbone(nn.Module, ABC):
    """The part of the network that turns images into features.

    Building one loads and fetches nothing: networks are built on the meta device to be checked, and again to be loaded from a checkpoint. The
    constructor takes the options and the images' shape (C, H, W).

    A backbone says its stages with ``set_stages``, which also sets ``features``. One that cannot be cut into stages sets ``features`` and writes
    ``forward`` itself; it then counts as a single stage.

    Class attributes:
        gives_map: False where the only feature is a vector.

    Attributes:
        features: what ``forward`` gives, finest first.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    gives_map: ClassVar[bool]
    Options: ClassVar[type[BackboneOptions]]
    features: tuple[FeatureInfo, ...]

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["_stages"] = Stages(())  # past torch's registering: the stages' tensors belong to the backbone under their own names

    @classmethod
    def problem(cls, options: BackboneOptions, image_shape: tuple[int, int, int]) -> str:
        """Why images of this shape (C, H, W) do not fit, in words; empty where they do. Asked before the backbone is built."""
        return ""

    def load_pretrained(self, cache: Path, progress: Callable[[float, str], None] | None = None) -> None:
        """Replace the random initial values by pretrained ones. ``build()`` calls it once for each backbone, before a checkpoint is restored.

        Args:
            cache: folder in which fetched files are kept.
            progress: told the share that is done and what is done; what it raises ends it.
        """

    @property
    def stages(self) -> Stages:
        """The pieces of the network in the order in which they run. Every parameter is in exactly one of them."""
        return self._stages if len(self._stages) else Stages([_Whole(self)])

    def set_stages(self, stages: Sequence[Stage]) -> None:
        """Let the backbone be these stages, one after another. The last one gives a feature.

        A stage becomes a part of the module under its name, unless its modules are parts of it already.
        """
        known = set(self.modules())
        self.__dict__["_stages"] = Stages(stages)
        for stage in stages:
            if known.isdisjoint(stage.children()):
                self._register(stage)
        self.features = tuple(stage.gives for stage in stages if stage.is_feature)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Normalised images (n, C, H, W) -> features in the order of ``self.features``, finest first."""
        if not len(self._stages):
            raise NotImplementedError(f"{type(self).__name__} has no stages; call set_stages in its constructor, or write forward")
        features = []
        for stage in self._stages:
            images = stage(images)
            if stage.is_feature:
                features.append(images)
        return features

    def _register(self, stage: Stage) -> None:
        *path, last = stage.name.split(".")
        place: nn.Module = self
        for part in path:
            made = self._stages if place is self and part == "stages" else nn.Module()
            place = place._modules.setdefault(part, made)  # type: ignore[assignment] - not by attribute: "stages" is a property, too
        place.add_module(last, stage)


class _Whole(Stage):
    """A backbone that says no stages, as its own single stage."""

    def __init__(self, backbone: Backbone):
        super().__init__("network", backbone.features[-1], backbone)

    def forward(self, images: Tensor) -> Tensor:
        features = self[0](images)
        if len(features) > 1:
            raise NotImplementedError(f"{type(self[0]).__name__} gives several features and says no stages, so it cannot be run stage by stage")
        return features[0]
