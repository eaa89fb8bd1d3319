"""Multi-label classification: which classes are in the image, any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchmetrics.classification import MultilabelAveragePrecision, MultilabelExactMatch
from torchmetrics.utilities.data import dim_zero_cat

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.tasks.class_means import MeanLabelF1
from mtl_core.tasks.kind import Drawing, TaskKind
from mtl_core.tasks.measurement import TorchMetrics
from mtl_core.tasks.pooled_head import PooledHead

THRESHOLD = 0.5


class MeanAveragePrecision(MultilabelAveragePrecision):
    """torchmetrics' average precision of each class; their mean without the classes that no image has, where it is not defined.

    torchmetrics' own mean counts such a class as 0. NaN where no image has any class.
    """

    def __init__(self, classes: int):
        super().__init__(classes, average="none", validate_args=False)

    def compute(self) -> Tensor:
        return super().compute()[dim_zero_cat(self.target).sum(0) > 0].mean()


class MultiLabel(TaskKind):
    """One independent yes or no per class, binary cross-entropy loss."""

    title: ClassVar[str] = "Multi-label classification"
    needs_map: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("f1", "F1, mean over the classes that occur", "", True),
        Metric("map", "Average precision, mean over the classes that occur", "", True),
        Metric("exact", "Images with every class right", "", True),
    )
    selection_metric: ClassVar[str] = "f1"

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return PooledHead(features, len(self.task.classes))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(output, target.float())

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return output.sigmoid().cpu().numpy()

    def measurement(self) -> TorchMetrics:
        classes = len(self.task.classes)
        return TorchMetrics(
            {
                "f1": MeanLabelF1(classes, THRESHOLD),
                "map": MeanAveragePrecision(classes),
                "exact": MultilabelExactMatch(classes, threshold=THRESHOLD, validate_args=False),
            },
            prepare=lambda output, target: (output.sigmoid(), target.long()),
        )

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(image, scale), _listed(task, target > 0))

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(image, scale), _listed(task, prediction >= THRESHOLD))


def _listed(task: Task, there: np.ndarray) -> str:
    return " ".join(name for name, is_there in zip(task.classes, there, strict=True) if is_there) or "none"
