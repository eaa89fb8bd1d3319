"""Hard parameter sharing (Caruana 1997): one backbone for all tasks, one head each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mtl_core.backbones.backbone import Backbone
from mtl_core.sharing.heads import Heads
from mtl_core.sharing.model import MultiTaskModel, SharingOptions
from mtl_core.tasks.kind import TaskKind


class HardSharing(MultiTaskModel):
    """Every task's head reads the features of the same backbone."""

    title: ClassVar[str] = "Hard sharing"
    summary: ClassVar[str] = "One backbone for all tasks, one head per task."
    has_shared_features: ClassVar[bool] = True

    def __init__(self, backbone: Backbone, kinds: Mapping[str, TaskKind], options: SharingOptions):
        super().__init__(backbone, kinds, options)
        self.backbone = backbone
        self.heads = Heads({name: kind.build_head(backbone.features) for name, kind in kinds.items()})
        self._taken: tuple[list[Tensor], list[Tensor]] | None = None

    def forward(self, images: Tensor, parts: Mapping[str, slice] | None = None) -> dict[str, Any]:
        features = self.backbone(images)
        self._taken = None
        if self.split_features and self.training and torch.is_grad_enabled():
            copies = [feature.detach().requires_grad_(feature.requires_grad) for feature in features]
            self._taken, features = (features, copies), copies
        outputs = {}
        for name, head in self.heads.items():
            if self.only is not None and name not in self.only:
                continue
            read = [feature[parts[name]] for feature in features] if parts else features
            if self.watch_features is not None and any(feature.requires_grad for feature in features):
                read = self.watch_features(name, read)
            outputs[name] = head(read)
        return outputs

    def cut_features(self) -> tuple[list[Tensor], list[Tensor]] | None:
        return self._taken

    def take_features(self) -> tuple[list[Tensor], list[Tensor]]:
        if self._taken is None:
            raise RuntimeError("no features were kept: set split_features, and call the model in training mode first")
        taken, self._taken = self._taken, None
        return taken

    def shared_parameters(self) -> list[nn.Parameter]:
        return list(self.backbone.parameters())

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        return list(self.heads[task].parameters())
