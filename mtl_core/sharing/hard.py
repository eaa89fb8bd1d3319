"""Hard parameter sharing (Caruana 1997): one backbone for all tasks, one head each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from torch import Tensor

from mtl_core.backbones.backbone import Backbone, FeatureInfo
from mtl_core.sharing.model import Group, MultiTaskModel, SharingOptions


class HardSharing(MultiTaskModel):
    """Every task's head reads the features of the same backbone."""

    title: ClassVar[str] = "Hard sharing"
    summary: ClassVar[str] = "One backbone for all tasks, one head per task."
    has_shared_features: ClassVar[bool] = True
    can_add_tasks: ClassVar[bool] = True

    def build_features(self, make_backbone: Callable[[], Backbone], options: SharingOptions) -> Sequence[FeatureInfo]:
        self.backbone = make_backbone()
        return self.backbone.features

    def features(self, images: Tensor, tasks: Sequence[str]) -> dict[str, list[Tensor]]:
        features: list[Tensor] = self.backbone(images)
        return dict.fromkeys(tasks, features)

    def groups(self) -> list[Group]:
        return [*(Group(stage.name, stage.parameters(), self.tasks) for stage in self.backbone.stages), *self.head_groups()]
