"""Regression: one number per image.

Targets and predictions float32 (n,): the number, in the task's unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtl_core.data.dataset import SHARE, SINGULAR, Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.primitives import Number as NumberLayer
from mtl_core.language import HalfUp, tr
from mtl_core.tasks.contents import TargetLayout, moments
from mtl_core.tasks.kind import Drawing, KindOptions, TaskKind
from mtl_core.tasks.lazy_torch import torch
from mtl_core.tasks.metrics.image_errors import SampleErrors
from mtl_core.tasks.task_result import TaskResult

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mtl_core.analysis.evaluation.regression_evaluation import RegressionEvaluation
    from mtl_core.backbones.backbone import FeatureInfo
    from mtl_core.tasks.kind import Answer
    from mtl_core.tasks.metrics.measurement import TorchMetrics


@dataclass(frozen=True)
class Number(TaskResult):
    """A number in the task's unit."""

    @property
    def value(self) -> float:
        return float(self.decoded)

    @property
    def unit(self) -> str:
        return self.task.unit

    def to_dict(self) -> dict[str, Any]:
        return {"value": self.value, "unit": self.unit}

    def in_short(self) -> str:
        return f"{HalfUp(self.value):.3g} {self.unit}".rstrip()


class Regression(TaskKind):
    """Smooth L1 loss (Huber with threshold 1) on the number standardised by the training split's mean and standard deviation."""

    title: ClassVar[str] = "Regression"
    needs_map: ClassVar[bool] = False
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("mae", "Mean absolute error", "unit", False),
        Metric("rmse", "Root mean squared error", "unit", False),
        Metric("r2", "R2 (1 exact, 0 no better than the mean)", "", True),
    )
    selection_metric: ClassVar[str] = "r2"
    mixes: ClassVar[bool] = True
    layer: ClassVar[str] = NumberLayer.type
    standardises: ClassVar[bool] = True
    valued: ClassVar[str] = "images"
    Result: ClassVar[type[TaskResult]] = Number

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        self.mean = float(self.target_statistics["mean"])
        self.std = max(float(self.target_statistics["std"]), 1e-6)

    # -- learning

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        from mtl_core.tasks.heads.pooled_head import PooledHead

        return PooledHead(features, 1)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return torch.nn.functional.smooth_l1_loss(output[:, 0], (target - self.mean) / self.std)

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return self._in_units(output).cpu().numpy()

    def measurement(self) -> TorchMetrics:
        from mtl_core.tasks.metrics.measurement import R2, TorchMetrics, doubled
        from mtl_core.tasks.metrics.metric_library import regression

        return TorchMetrics(
            {"mae": regression.MeanAbsoluteError(), "rmse": regression.MeanSquaredError(squared=False), "r2": R2()},
            prepare=lambda output, target: (self._in_units(doubled(output)), doubled(target)),
            exact=True,
        )

    def _in_units(self, output: Tensor) -> Tensor:
        return output[:, 0] * self.std + self.mean

    def constant_answers(self) -> list[Answer]:
        """The mean, which is 0 after standardisation."""
        return [lambda count: torch.zeros(count, 1)]

    def finished(self, output: Tensor) -> dict[str, Tensor]:
        return {"": self._in_units(output)}

    # -- targets

    @classmethod
    def layout(cls, task: Task, size: tuple[int, int]) -> TargetLayout:
        return TargetLayout((), np.float32, np.nan)

    @classmethod
    def statistics(cls, task: Task, values: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        return moments(values, rows)

    # -- predictions against targets

    @classmethod
    def sample_errors(cls, predictions: np.ndarray, targets: np.ndarray) -> SampleErrors:
        """Absolute error."""
        return SampleErrors(np.abs(predictions - targets), None, "Absolute error", "unit")

    @classmethod
    def evaluation(cls, task: Task) -> RegressionEvaluation:
        from mtl_core.analysis.evaluation.regression_evaluation import RegressionEvaluation

        return RegressionEvaluation(task)

    @classmethod
    def export_rows(cls, task: Task, predictions: np.ndarray, targets: np.ndarray, labelled: np.ndarray) -> dict[str, Any]:
        known = np.where(labelled, targets, np.nan)
        return {"image": np.arange(len(predictions)), "target": known, "predicted": predictions, "unit": [task.unit] * len(predictions)}

    # -- drawing

    @classmethod
    def target_layer(cls, task: Task, image: np.ndarray, target: np.ndarray) -> NumberLayer:
        return NumberLayer(float(target))

    @classmethod
    def prediction_layer(cls, task: Task, image: np.ndarray, prediction: np.ndarray, candidates: np.ndarray | None = None) -> NumberLayer:
        return NumberLayer(float(prediction))

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        number = f"{HalfUp(target):.3g}"
        unit = "" if task.unit == SHARE else SINGULAR.get(task.unit, task.unit) if number == "1" else task.unit
        return Drawing(enlarge(image, scale), f"{number} {tr(unit) if task.unit in SINGULAR else unit}".strip())

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)
