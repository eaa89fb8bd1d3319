"""Regression: one number per image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import SHARE, SINGULAR, Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import enlarge
from mtl_core.tasks.kind import Drawing, KindOptions, TaskKind
from mtl_core.tasks.measurement import R2, TorchMetrics, doubled
from mtl_core.tasks.pooled_head import PooledHead


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

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        self.mean = float(self.target_statistics["mean"])
        self.std = max(float(self.target_statistics["std"]), 1e-6)

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return PooledHead(features, 1)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(output[:, 0], (target - self.mean) / self.std)

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return self._in_units(output).cpu().numpy()

    def measurement(self) -> TorchMetrics:
        return TorchMetrics(
            {"mae": MeanAbsoluteError(), "rmse": MeanSquaredError(squared=False), "r2": R2()},
            prepare=lambda output, target: (self._in_units(doubled(output)), doubled(target)),
            exact=True,
        )

    def _in_units(self, output: Tensor) -> Tensor:
        return output[:, 0] * self.std + self.mean

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        number = f"{float(target):.3g}"
        unit = "" if task.unit == SHARE else SINGULAR.get(task.unit, task.unit) if number == "1" else task.unit
        return Drawing(enlarge(image, scale), f"{number} {unit}".strip())

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)
