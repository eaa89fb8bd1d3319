"""Backbone: the network part from images to features. One family is one file in this package."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from mtl_core.backbones.published_weights import PublishedWeights


class BackboneOptions(BaseModel):
    """Parent of every backbone's options."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class FeatureInfo:
    """Description of a stage's output, or of one entry of a backbone's feature list.

    Attributes:
        channels: size of dimension 1.
        stride: image pixels per feature pixel; None for a vector (n, channels).
    """

    channels: int
    stride: int | None


class Stage(nn.Sequential):
    """A part of a backbone: modules that run one after another, from one tensor to one tensor.

    Attributes:
        name: the path of its tensors inside the backbone, such as ``stem`` or ``stages.0``. The keys of curves by block contain it.
        gives: description of the output.
        is_feature: whether the heads read the output.
    """

    def __init__(self, name: str, gives: FeatureInfo, *modules: nn.Module, is_feature: bool = True):
        super().__init__(*modules)
        self.name, self.gives, self.is_feature = name, gives, is_feature


class Stages(nn.Module):
    """A backbone's stages as a sequence, in the order in which they run. It is a module, because tensors called ``stages.0...`` belong to it; only
    stages with such names are its children."""

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

    The constructor takes the options and the images' shape (C, H, W). It loads and fetches nothing, because networks are also built on the meta
    device for checks, and for loading a checkpoint.

    A backbone sets its stages with ``set_stages``, which also sets ``features``. A backbone that cannot be cut into stages sets ``features`` and
    overrides ``forward``; it then counts as a single stage.

    Class attributes:
        gives_map: False if the only feature is a vector.

    Attributes:
        features: descriptions of the outputs of ``forward``, finest first.
        published_names: own tensor name -> name in files of published weights, for the tensors that such files have.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    gives_map: ClassVar[bool]
    Options: ClassVar[type[BackboneOptions]]
    features: tuple[FeatureInfo, ...]
    _stages: Stages

    def __init__(self) -> None:
        super().__init__()
        vars(self)["_stages"] = Stages(())  # not registered by torch: the stages' tensors belong to the backbone under their own names
        self.published_names: dict[str, str] = {}

    @classmethod
    def problem(cls, options: BackboneOptions, image_shape: tuple[int, int, int]) -> str:
        """Why images of this shape (C, H, W) do not fit; empty if they fit. Called before the backbone is built."""
        return ""

    @classmethod
    def published_weights(cls, options: BackboneOptions) -> PublishedWeights | None:
        """The weights that ``weights: pretrained`` starts from; None if there are none for this backbone with these options."""
        return None

    @classmethod
    def unpublished(cls, options: BackboneOptions) -> str:
        """Why published weights do not fit these options, in words with a cure; empty if they fit or if there are none at all."""
        return ""

    def adapted(self, name: str, tensor: Tensor) -> Tensor:
        """A tensor of starting weights in the form in which this network has it; ``name`` is its own. Position embeddings are interpolated, say."""
        return tensor

    def load_pretrained(self, cache: Path, progress: Callable[[float, str], None] | None = None) -> None:
        """Replace the random initial values by pretrained ones. ``build()`` calls it once for each backbone, before a checkpoint is restored.

        Args:
            cache: folder for fetched files.
            progress: called with the share done and a text; an exception that it raises ends the loading.
        """

    @property
    def stages(self) -> Stages:
        """The stages in the order in which they run. Every parameter is in exactly one of them."""
        return self._stages if len(self._stages) else Stages([_Whole(self)])

    def set_stages(self, stages: Sequence[Stage]) -> None:
        """Make these stages, one after another, the backbone. The last one must be a feature.

        A stage is registered under its name, unless its modules are registered already.
        """
        known = set(self.modules())
        vars(self)["_stages"] = Stages(stages)
        for stage in stages:
            if known.isdisjoint(stage.children()):
                self._register(stage)
        self.features = tuple(stage.gives for stage in stages if stage.is_feature)

    def remember_names(self, network: nn.Module) -> None:
        """Set ``published_names`` to the names that the tensors of this backbone have in ``network``, whose modules are in its stages."""
        published = {id(tensor): name for name, tensor in network.state_dict(keep_vars=True).items()}
        own = self.state_dict(keep_vars=True)
        self.published_names = {name: published[id(tensor)] for name, tensor in own.items() if id(tensor) in published}

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
            place = place._modules.setdefault(part, made)  # type: ignore[assignment] - not by attribute, because "stages" is also a property
        place.add_module(last, stage)


class _Whole(Stage):
    """A backbone without stages, as a single stage."""

    def __init__(self, backbone: Backbone):
        super().__init__("network", backbone.features[-1], backbone)

    def forward(self, images: Tensor) -> Tensor:
        features = self[0](images)
        if len(features) > 1:
            raise NotImplementedError(f"{type(self[0]).__name__} has several features and no stages, so it cannot be run stage by stage")
        return features[0]
