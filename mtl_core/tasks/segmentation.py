"""Semantic segmentation: one class per pixel.

Targets and predictions uint8 (n, H, W): class index; 255 in a target is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from mtl_core.data.dataset import IGNORE, Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import class_legend, draw_mask
from mtl_core.figures.primitives import Mask as MaskLayer
from mtl_core.tasks.contents import Contents, TargetLayout, class_presence, level_counts
from mtl_core.tasks.kind import Drawing, KindOptions, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.map_files import ClassMaps, MapFiles
from mtl_core.tasks.metrics.image_errors import SampleErrors, of_each
from mtl_core.tasks.task_result import TaskResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.segmentation_evaluation import SegmentationEvaluation
    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.kind import Answer
    from mtl_core.tasks.metrics.measurement import TorchMetrics


@dataclass(frozen=True)
class Mask(TaskResult):
    """``classes``: class index per pixel, uint8 (H, W); 255 in parts of the image that the network did not see."""

    @property
    def classes(self) -> np.ndarray:
        return self.decoded

    def to_dict(self) -> dict[str, Any]:
        seen = max(1, int((self.decoded != IGNORE).sum()))
        shares = {name: float((self.decoded == index).sum() / seen) for index, name in enumerate(self.task.classes)}
        return {"pixel_shares": {name: share for name, share in shares.items() if share > 0}}


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
    options: SegmentationOptions
    geometry: ClassVar[str] = "mask"
    layer: ClassVar[str] = MaskLayer.type
    counted: ClassVar[str] = "pixels"
    map_files: ClassVar[MapFiles] = ClassMaps()
    Result: ClassVar[type[TaskResult]] = Mask

    # -- learning

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.dense_head import DenseHead

        return DenseHead(features, len(self.task.classes), self.image_size, self.options.channels)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        total, counted = self.loss_parts(output, target)
        return total / counted.clamp(min=1)  # if all pixels are ignored the loss is 0, not 0/0

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        target = target.long()
        total = torch.nn.functional.cross_entropy(output, target, ignore_index=IGNORE, reduction="sum")
        return total, (target != IGNORE).sum()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return output.argmax(1).to(torch.uint8).cpu().numpy()

    def measurement(self) -> TorchMetrics:
        from mtl_core.tasks.metrics.class_means import Accuracy
        from mtl_core.tasks.metrics.measurement import TorchMetrics
        from mtl_core.tasks.metrics.metric_library import classification

        classes = len(self.task.classes)
        return TorchMetrics(
            {
                "miou": classification.MulticlassJaccardIndex(classes, ignore_index=IGNORE, validate_args=False),
                "pixel_accuracy": Accuracy(classes, IGNORE),
            },
            prepare=lambda output, target: (output.argmax(1), target.long()),
        )

    def constant_answers(self) -> list[Answer]:
        """The class that most training pixels have."""
        counts = torch.tensor(self.target_statistics["class_counts"], dtype=torch.float32)
        scores = (torch.arange(len(counts)) == counts.argmax()).float()
        return [lambda count: scores.view(1, -1, 1, 1).expand(count, len(counts), *self.image_size)]

    def score(self, output: Tensor) -> Tensor:
        """The mean of each pixel's best logit."""
        return output.amax(1).mean()

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout(size, np.uint8, IGNORE)

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        return {"class_counts": level_counts(values, rows)[: len(task.classes)].tolist()}  # IGNORE lies beyond any class

    @classmethod
    def presence(cls, task: Task, values: np.ndarray) -> np.ndarray:
        return class_presence(values, len(task.classes), lambda mask: mask[mask != IGNORE])

    @classmethod
    def contents(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> Contents:
        levels = level_counts(values, rows)
        return Contents(levels[: len(task.classes)], int(levels[len(task.classes) :].sum()))

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """1 minus the mean IoU over the classes in target or prediction, over pixels that are not ignored."""
        return SampleErrors(of_each(_error, predictions, targets), None, "1 - IoU, mean over the image's classes", "")

    @classmethod
    def evaluation(cls, task: Task) -> SegmentationEvaluation:
        from mtl_core.analysis.evaluation.segmentation_evaluation import SegmentationEvaluation

        return SegmentationEvaluation(task)

    # -- drawing

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> MaskLayer:
        return MaskLayer(target)

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> MaskLayer:
        return MaskLayer(prediction)

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        return class_legend(task.classes)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(draw_mask(image, target, task.classes, scale, IGNORE), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)


def _error(predicted: np.ndarray, target: np.ndarray) -> float:
    counted = target != IGNORE
    predicted, target = predicted[counted].astype(np.int64), target[counted].astype(np.int64)
    if not len(target):
        return float("nan")
    length = int(max(predicted.max(), target.max())) + 1
    shared = np.bincount(target[predicted == target], minlength=length)
    union = np.bincount(target, minlength=length) + np.bincount(predicted, minlength=length) - shared
    return float(1.0 - (shared[union > 0] / union[union > 0]).mean())
