"""Semantic segmentation: one class per pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassJaccardIndex

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import IGNORE, Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import class_legend, draw_mask
from mtl_core.tasks.class_means import Accuracy
from mtl_core.tasks.dense_head import DenseHead
from mtl_core.tasks.kind import Drawing, KindOptions, TaskKind
from mtl_core.tasks.measurement import TorchMetrics


class SegmentationOptions(KindOptions):
    """Options of segmentation."""

    channels: int = Field(32, ge=8, le=256, description="Channels of the decoder.")


class Segmentation(TaskKind):
    """Softmax per pixel, cross-entropy averaged over the pixels that are not ignored."""

    title: ClassVar[str] = "Segmentation"
    needs_map: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("miou", "IoU, mean over classes", "", True),
        Metric("pixel_accuracy", "Pixels with the right class", "", True),
    )
    selection_metric: ClassVar[str] = "miou"
    Options = SegmentationOptions

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return DenseHead(features, len(self.task.classes), self.image_size, self.options.channels)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        total, counted = self.loss_parts(output, target)
        return total / counted.clamp(min=1)  # all ignored: a loss of 0, not 0/0

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        target = target.long()
        return cross_entropy(output, target, ignore_index=IGNORE, reduction="sum"), (target != IGNORE).sum()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return output.argmax(1).to(torch.uint8).cpu().numpy()

    def measurement(self) -> TorchMetrics:
        classes = len(self.task.classes)
        return TorchMetrics(
            {
                "miou": MulticlassJaccardIndex(classes, ignore_index=IGNORE, validate_args=False),
                "pixel_accuracy": Accuracy(classes, IGNORE),
            },
            prepare=lambda output, target: (output.argmax(1), target.long()),
        )

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        return class_legend(task.classes)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(draw_mask(image, target, task.classes, scale, IGNORE), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)
