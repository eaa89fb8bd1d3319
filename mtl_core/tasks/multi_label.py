"""Multi-label classification: which classes are in the image, any number of them.

Targets uint8 (n, K): 1 where class k is in the image. Predictions float32 (n, K): probability that it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtl_core.analysis.evaluation.findings import THRESHOLD
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.primitives import Shares
from mtl_core.language import mark, tr
from mtl_core.tasks.contents import TargetLayout
from mtl_core.tasks.kind import Drawing, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.metrics.image_errors import SampleErrors
from mtl_core.tasks.task_result import TaskResult, by_class

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.multi_label_evaluation import MultiLabelEvaluation
    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.kind import Answer
    from mtl_core.tasks.metrics.measurement import TorchMetrics


@dataclass(frozen=True)
class ManyClasses(TaskResult):
    """Any number of classes. ``probabilities`` float32 (K,), each by itself in 0..1."""

    @property
    def probabilities(self) -> np.ndarray:
        return self.decoded

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.task.classes[index] for index in np.flatnonzero(self.decoded >= THRESHOLD))

    def to_dict(self) -> dict[str, Any]:
        return {"classes": list(self.names), "probabilities": by_class(self.task, self.decoded)}

    def in_short(self) -> str:
        return ", ".join(self.names) or "none"


class MultiLabel(TaskKind):
    """An independent binary decision per class, binary cross-entropy loss."""

    title: ClassVar[str] = "Multi-label classification"
    needs_map: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("f1", "F1, mean over the classes that occur", "", True),
        Metric("map", "Average precision, mean over the classes that occur", "", True),
        Metric("exact", "Images with every class right", "", True),
    )
    selection_metric: ClassVar[str] = "f1"
    geometry: ClassVar[str] = "whole"
    layer: ClassVar[str] = Shares.type
    several: ClassVar[bool] = True
    needs_classes: ClassVar[bool] = True
    Result: ClassVar[type[TaskResult]] = ManyClasses
    confusion_titles: ClassVar[tuple[str, str]] = (mark("class"), mark("outcome"))

    # -- learning

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.pooled_head import PooledHead

        return PooledHead(features, len(self.task.classes))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(output, target.float())

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return output.sigmoid().cpu().numpy()

    def measurement(self) -> TorchMetrics:
        from mtl_core.tasks.metrics.class_means import MeanAveragePrecision, MeanLabelF1
        from mtl_core.tasks.metrics.measurement import TorchMetrics
        from mtl_core.tasks.metrics.metric_library import classification

        classes = len(self.task.classes)
        return TorchMetrics(
            {
                "f1": MeanLabelF1(classes, THRESHOLD),
                "map": MeanAveragePrecision(classes),
                "exact": classification.MultilabelExactMatch(classes, threshold=THRESHOLD, validate_args=False),
            },
            prepare=lambda output, target: (output.sigmoid(), target.long()),
        )

    def constant_answers(self) -> list[Answer]:
        """No class, the classes of at least half of the images, and all classes, because F1 rewards predicting everything."""
        counts = torch.tensor(self.target_statistics["class_counts"], dtype=torch.float32)
        images = float(self.target_statistics.get("count") or 2 * counts.max())
        said = [torch.full_like(counts, -1.0), torch.where(counts * 2 >= images, 1.0, -1.0), torch.full_like(counts, 1.0)]
        return [lambda count, one=one: one.expand(count, len(counts)) for one in said]

    def finished(self, output: Tensor) -> dict[str, Tensor]:
        return {"": output.sigmoid()}

    def score(self, output: Tensor) -> Tensor:
        """The logits of the classes with a probability of 0.5 or more; the best logit if there is none."""
        there = output >= 0
        return output[there].sum() if bool(there.any()) else output.max()

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout((len(task.classes),), np.uint8, 0)

    @classmethod
    def examples(cls, task: Task, size: tuple[int, int], count: int, random: np.random.Generator) -> np.ndarray:
        return random.integers(0, 2, (count, len(task.classes))).astype(np.uint8)

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        return {"class_counts": values[rows].sum(axis=0, dtype=np.int64).tolist()}

    @classmethod
    def presence(cls, task: Task, values: np.ndarray) -> np.ndarray:
        return np.asarray(values) > 0

    @classmethod
    def imported_classes(cls, value: Sequence[int]) -> Sequence[int]:
        return value

    @classmethod
    def renumbered(cls, value: Sequence[int], place: Sequence[int]) -> tuple[int, ...]:
        return tuple(sorted({place[index] for index in value}))

    @classmethod
    def imported_row(cls, row: np.ndarray, value: Sequence[int], place: Any) -> np.ndarray:
        row[list(value)] = 1
        return row

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """Mean over classes of the distance between probability and truth. A mistake if a class is on the wrong side of 0.5."""
        wrong = ((predictions >= THRESHOLD) != (targets > 0)).any(1)
        return SampleErrors(np.abs(predictions - targets).mean(1), wrong, "Error, mean over classes (0 = perfect)", "")

    @classmethod
    def evaluation(cls, task: Task) -> MultiLabelEvaluation:
        from mtl_core.analysis.evaluation.multi_label_evaluation import MultiLabelEvaluation

        return MultiLabelEvaluation(task)

    @classmethod
    def export_rows(cls, task: Task, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> dict[str, Any]:
        known = {f"target {name}": np.where(labelled, targets[:, place].astype(float), np.nan) for place, name in enumerate(task.classes)}
        columns = {f"probability {name}": predictions[:, place] for place, name in enumerate(task.classes)}
        return {"image": np.arange(len(predictions)), **known, **columns}

    # -- drawing

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> Shares:
        return Shares(np.asarray(target) > 0, one=False)

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Shares:
        return Shares(prediction, one=False)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(image, scale), _listed(task, target > 0))

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(image, scale), _listed(task, prediction >= THRESHOLD))


def _listed(task: Task, there: np.ndarray) -> str:
    return " ".join(name for name, is_there in zip(task.classes, there, strict=True) if is_there) or tr("none")
