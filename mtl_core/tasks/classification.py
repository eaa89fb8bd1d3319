"""Classification: one class per image.

Targets int64 (n,): class index. Predictions float32 (n, K): probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.primitives import Shares
from mtl_core.tasks.contents import TargetLayout
from mtl_core.tasks.kind import Drawing, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.metrics.image_errors import SampleErrors
from mtl_core.tasks.task_result import TaskResult, by_class

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.classification_evaluation import ClassificationEvaluation
    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.kind import Answer
    from mtl_core.tasks.metrics.measurement import TorchMetrics


@dataclass(frozen=True)
class OneClass(TaskResult):
    """A class. ``probabilities`` float32 (K,) sum to 1."""

    @property
    def probabilities(self) -> np.ndarray:
        return self.decoded

    @property
    def index(self) -> int:
        return int(self.decoded.argmax())

    @property
    def name(self) -> str:
        return self.task.classes[self.index]

    def to_dict(self) -> dict[str, Any]:
        return {"class": self.name, "probability": float(self.decoded.max()), "probabilities": by_class(self.task, self.decoded)}

    def in_short(self) -> str:
        return f"{self.name} ({float(self.decoded.max()):.0%})"


class Classification(TaskKind):
    """Softmax over classes, cross-entropy loss."""

    title: ClassVar[str] = "Classification"
    needs_map: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("accuracy", "Accuracy", "", True),
        Metric("f1", "F1, mean over classes", "", True),
    )
    selection_metric: ClassVar[str] = "accuracy"
    geometry: ClassVar[str] = "whole"
    layer: ClassVar[str] = Shares.type
    stratifies: ClassVar[bool] = True
    needs_classes: ClassVar[bool] = True
    Result: ClassVar[type[TaskResult]] = OneClass

    # -- learning

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.pooled_head import PooledHead

        return PooledHead(features, len(self.task.classes))

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.nn.functional.cross_entropy(output, target)

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return output.softmax(1).cpu().numpy()

    def measurement(self) -> TorchMetrics:
        from mtl_core.tasks.metrics.class_means import Accuracy
        from mtl_core.tasks.metrics.measurement import TorchMetrics
        from mtl_core.tasks.metrics.metric_library import classification

        classes = len(self.task.classes)
        return TorchMetrics(
            {
                "accuracy": Accuracy(classes),
                "f1": classification.MulticlassF1Score(classes, average="macro", validate_args=False),
            }
        )

    def constant_answers(self) -> list[Answer]:
        """The class that most training images have."""
        counts = torch.tensor(self.target_statistics["class_counts"], dtype=torch.float32)
        scores = (torch.arange(len(counts)) == counts.argmax()).float()
        return [lambda count: scores.expand(count, len(counts))]

    def finished(self, output: Tensor) -> dict[str, Tensor]:
        return {"": output.softmax(1)}

    def score(self, output: Tensor) -> Tensor:
        """The logit of the best class."""
        return output.max()

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout((), np.int64, 0)

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        return {"class_counts": np.bincount(values[rows], minlength=len(task.classes)).tolist()}

    @classmethod
    def presence(cls, task: Task, values: np.ndarray) -> np.ndarray:
        present = np.zeros((len(values), len(task.classes)), bool)
        present[np.arange(len(values)), np.asarray(values)] = True
        return present

    @classmethod
    def imported_classes(cls, value: int) -> Sequence[int]:
        return (value,)

    @classmethod
    def renumbered(cls, value: int, place: Sequence[int]) -> int:
        return place[value]

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """1 minus the probability of the right class. A mistake if another class has a higher probability."""
        right = predictions[np.arange(len(targets)), targets]
        return SampleErrors(1.0 - right, predictions.argmax(1) != targets, "1 - probability of the right class", "")

    @classmethod
    def evaluation(cls, task: Task) -> ClassificationEvaluation:
        from mtl_core.analysis.evaluation.classification_evaluation import ClassificationEvaluation

        return ClassificationEvaluation(task)

    @classmethod
    def export_rows(cls, task: Task, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> dict[str, Any]:
        known = [task.classes[int(target)] if there else None for target, there in zip(targets, labelled, strict=True)]
        said = [task.classes[index] for index in predictions.argmax(1)]
        columns = {f"probability {name}": predictions[:, place] for place, name in enumerate(task.classes)}
        return {"image": np.arange(len(predictions)), "target": known, "predicted": said, **columns}

    # -- drawing

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> Shares:
        return Shares(np.arange(len(task.classes)) == int(target), one=True)

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> Shares:
        return Shares(prediction, one=True)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        return Drawing(enlarge(image, scale), task.classes[int(target)])

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        best = int(prediction.argmax())
        return Drawing(enlarge(image, scale), f"{task.classes[best]} ({prediction[best]:.0%})")
