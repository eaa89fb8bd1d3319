"""Depth: one distance per pixel (dense regression)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError

from mtl_core.backbones.backbone import FeatureInfo
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.figures.overlays import depth_legend, draw_depth
from mtl_core.tasks.dense_head import DenseHead
from mtl_core.tasks.kind import Drawing, KindOptions, Measurement, TaskKind
from mtl_core.tasks.measurement import R2, doubled


class DepthOptions(KindOptions):
    """Options of depth."""

    channels: int = Field(32, ge=8, le=256, description="Channels of the decoder.")


class DepthMeasurement(Measurement):
    """RMSE, MAE and R2 by torchmetrics; the share of pixels within 25 % as in Eigen et al. 2014 (https://arxiv.org/abs/1406.2283).

    Sums are kept in float64. The share leaves out pixels whose true depth is 0 or less, as the evaluation does: a ratio to it is not defined.
    """

    def __init__(self, in_units: Callable[[Tensor], Tensor]):
        self.in_units = in_units
        self.torchmetrics = {"rmse": MeanSquaredError(squared=False), "mae": MeanAbsoluteError(), "r2": R2()}
        for metric in self.torchmetrics.values():
            metric.set_dtype(torch.float64)
        self.within = self.pixels = self.positive = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        known = torch.isfinite(target)
        output, target, known = doubled(output), doubled(target), known.to(doubled(target).device)
        predicted, true = self.in_units(output)[known], target[known]
        if not len(true):
            return
        for metric in self.torchmetrics.values():
            metric.to(target.device).update(predicted, true)
        self.pixels += len(true)
        predicted, true = predicted[true > 0].clamp(min=1e-6), true[true > 0]
        self.within += int((torch.maximum(predicted / true, true / predicted) < 1.25).sum())
        self.positive += len(true)

    def compute(self) -> dict[str, float]:
        if self.pixels == 0:
            return dict.fromkeys((*self.torchmetrics, "delta1"), float("nan"))
        delta1 = self.within / self.positive if self.positive else float("nan")
        return {**{name: float(metric.compute()) for name, metric in self.torchmetrics.items()}, "delta1": delta1}


class Depth(TaskKind):
    """Smooth L1 loss on the depth standardised by the training split, over pixels that have a measurement."""

    title: ClassVar[str] = "Depth"
    needs_map: ClassVar[bool] = True
    keeps_halves: ClassVar[bool] = True
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("rmse", "Root mean squared error", "unit", False),
        Metric("mae", "Mean absolute error", "unit", False),
        Metric("delta1", "Pixels within 25 %", "", True),
        Metric("r2", "R2 (1 exact, 0 no better than the mean)", "", True),
    )
    selection_metric: ClassVar[str] = "r2"
    Options = DepthOptions

    def __init__(self, task: Task, options: KindOptions, statistics: dict[str, Any]):
        super().__init__(task, options, statistics)
        self.mean = float(self.target_statistics["mean"])
        self.std = max(float(self.target_statistics["std"]), 1e-6)

    def build_head(self, features: Sequence[FeatureInfo]) -> nn.Module:
        return DenseHead(features, 1, self.image_size, self.options.channels)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        total, known = self.loss_parts(output, target)
        return total / known.clamp(min=1)

    def loss_parts(self, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        known = torch.isfinite(target)
        standardised = torch.where(known, (target - self.mean) / self.std, 0.0)
        error = smooth_l1_loss(output[:, 0], standardised, reduction="none")
        return torch.where(known, error, 0.0).sum(), known.sum()

    def select(self, output: Tensor, rows: Tensor) -> Tensor:
        return output[rows]

    def decode(self, output: Tensor) -> np.ndarray:
        return self._in_units(output).cpu().numpy()

    def measurement(self) -> Measurement:
        return DepthMeasurement(self._in_units)

    def _in_units(self, output: Tensor) -> Tensor:
        return output[:, 0] * self.std + self.mean

    @classmethod
    def legend(cls, task: Task) -> list[tuple[str, str]]:
        return depth_legend(*task.value_range, task.unit)

    @classmethod
    def draw_target(cls, image: np.ndarray, target: np.ndarray, task: Task, scale: int) -> Drawing:
        near, far = task.value_range
        return Drawing(draw_depth(target, near, far, scale), "")

    @classmethod
    def draw_prediction(cls, image: np.ndarray, prediction: np.ndarray, task: Task, scale: int) -> Drawing:
        return cls.draw_target(image, prediction, task, scale)
