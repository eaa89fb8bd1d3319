"""PretextClass: parent of the self-supervised tasks with one class per view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.tasks.heads.pooled_head import PooledHead
from mtl_core.tasks.kind import Drawing
from mtl_core.tasks.metrics.class_means import Accuracy
from mtl_core.tasks.metrics.measurement import TorchMetrics
from mtl_core.tasks.pretext.self_supervised import SelfSupervised


class PretextClass(SelfSupervised):
    """One linear layer on the pooled features, cross-entropy, accuracy."""

    needs_map: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("accuracy", "Accuracy", "", True),)
    selection_metric: ClassVar[str] = "accuracy"

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return PooledHead(features, len(self.task.classes))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return cross_entropy(output, target)

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return output.softmax(1).cpu().numpy()

    def measurement(self) -> TorchMetrics:
        return TorchMetrics({"accuracy": Accuracy(len(self.task.classes))})

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(image, scale), task.classes[int(target)])

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        best = int(prediction.argmax())
        return Drawing(enlarge(image, scale), f"{task.classes[best]} ({prediction[best]:.0%})")
