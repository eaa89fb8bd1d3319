"""What schemes have in common that work stage by stage: cutting backbones, and the plain network where there is one task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone, FeatureInfo, Stage
from mtl_core.errors import ConfigError, Problem
from mtl_core.sharing.model import Group, MultiTaskModel, SharingOptions


class StagedSharing(MultiTaskModel):
    """Parent of schemes that run backbones stage by stage. With one task there is nothing to share, and the network is one backbone and one head.

    A scheme writes ``build_parts``, ``mixed`` and ``part_groups``, which are ``build_features``, ``features`` and ``groups`` for several tasks.

    Attributes:
        backbone: one whole backbone.
        copies: further copies of its last stages, each with random initial values of its own.
    """

    def build_features(self, make_backbone: Callable[[], Backbone], options: SharingOptions) -> Sequence[FeatureInfo]:
        self.backbone = make_backbone()
        self.copies = nn.ModuleList()
        if len(self.tasks) == 1:
            return self.backbone.features
        self.stages = stages_of(self.backbone)
        return self.build_parts(make_backbone, options)

    @abstractmethod
    def build_parts(self, make_backbone: Callable[[], Backbone], options: SharingOptions) -> Sequence[FeatureInfo]:
        """Build what the scheme has beside ``backbone``, and return what each head reads. ``stages`` is known by now."""

    @abstractmethod
    def mixed(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        """As ``features``, of several tasks."""

    @abstractmethod
    def part_groups(self) -> list[Group]:
        """As ``groups``, of several tasks, without the heads."""

    def features(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        return self.mixed(images, tasks) if len(self.tasks) > 1 else {task: self.backbone(images) for task in tasks}

    def groups(self) -> list[Group]:
        own = [Group(stage.name, stage.parameters(), self.tasks) for stage in self.backbone.stages] if len(self.tasks) == 1 else self.part_groups()
        return [*(group for group in own if group.parameters), *self.head_groups()]

    def load_pretrained(self, cache: Path, progress: Callable[[float, str], None] | None = None) -> None:
        """As every scheme; where that gives the backbone other weights, the copies of its stages get them, too."""
        before = [parameter.detach().clone() for parameter in self.backbone.parameters()] if len(self.copies) else []
        super().load_pretrained(cache, progress)
        if any(bool((old != new).any()) for old, new in zip(before, self.backbone.parameters(), strict=False)):
            self._fill_copies()

    def begin_with(self, tensors: Mapping[str, Tensor]) -> None:
        super().begin_with(tensors)
        self._fill_copies()

    def _fill_copies(self) -> None:
        for copy in cast("Iterable[Sequence[Stage]]", self.copies):
            for stage, own in zip(self.stages[-len(copy) :], copy, strict=True):
                own.load_state_dict(stage.state_dict())

    def add_copies(self, make_backbone: Callable[[], Backbone], count: int, first: int) -> list[Sequence[Stage]]:
        """``count`` ends of the network from stage ``first`` on: the backbone's own, and copies. They are kept in ``copies``, which only grows."""
        for _ in range(count - 1):
            self.copies.append(nn.ModuleList(stages_of(make_backbone())[first:]))
        return [self.stages[first:], *(list(copy) for copy in cast("Iterable[Sequence[Stage]]", self.copies))]


def stages_of(backbone: Backbone) -> tuple[Stage, ...]:
    """A backbone's stages, outside its modules.

    Raises:
        ConfigError: it gives several features and cannot be cut.
    """
    stages = tuple(backbone.stages)
    if len(stages) == 1 and len(backbone.features) > 1:
        message = f"this scheme runs a network stage by stage, but {type(backbone).__name__} says no stages. Take another backbone, or hard sharing"
        raise ConfigError(Problem("sharing.name", message))
    return stages


def check_shared_stages(shared: int, stages: Sequence[Stage], own_at_least: int = 0) -> None:
    """Raise ConfigError where so many first stages cannot be shared of a backbone with these stages."""
    most = len(stages) - own_at_least
    if shared > most:
        names = ", ".join(stage.name for stage in stages)
        fix = f"Choose at most {most}" if most >= 1 else "Take a backbone with more stages"
        need = f", and at least {own_at_least} must stay unshared" if own_at_least else ""
        raise ConfigError(Problem("sharing.shared_stages", f"the backbone has {len(stages)} stages ({names}){need}; found {shared}. {fix}"))


def run_stages(stages: Iterable[Stage], value: Tensor) -> tuple[Tensor, list[Tensor]]:
    """What the last of some stages gives, and the features on the way."""
    features = []
    for stage in stages:
        value = stage(value)
        if stage.is_feature:
            features.append(value)
    return value, features


def pooled(feature: Tensor) -> Tensor:
    """A map (n, C, H, W) -> its mean over places (n, C); a vector as it is."""
    return feature.mean((2, 3)) if feature.ndim == 4 else feature


def broadcast(factor: Tensor, feature: Tensor) -> Tensor:
    """A factor per image (n,) or per channel (1, C) in the shape that multiplies a feature (n, C) or (n, C, H, W)."""
    return factor.reshape(*factor.shape, *[1] * (feature.ndim - factor.ndim))


def summed(parts: Iterable[Tensor]) -> Tensor:
    """The sum of one or more tensors."""
    return cast("Tensor", sum(parts))
