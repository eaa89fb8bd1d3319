"""Depth metrics over one pass over a split."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mtl_core.tasks.kind import Measurement
from mtl_core.tasks.metrics.measurement import R2, doubled
from mtl_core.tasks.metrics.metric_library import regression


class DepthMeasurement(Measurement):
    """RMSE, MAE and R2 by torchmetrics; the share of pixels within 25 % as in Eigen et al. 2014 (https://arxiv.org/abs/1406.2283).

    Sums are kept in float64. The share leaves out pixels with a true depth of 0 or less, for which the ratio is not defined, as the evaluation does.
    """

    def __init__(self, in_units: Callable[[Tensor], Tensor]):
        self.in_units = in_units
        self.torchmetrics = {"rmse": regression.MeanSquaredError(squared=False), "mae": regression.MeanAbsoluteError(), "r2": R2()}
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
