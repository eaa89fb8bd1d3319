"""Measurements built on torchmetrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mtl_core.tasks.kind import Measurement
from mtl_core.tasks.metrics.metric_library import MetricCollection, regression


class R2(regression.R2Score):
    """torchmetrics' R2; NaN instead of an error for fewer than two values, for which it is not defined."""

    def compute(self) -> Tensor:
        if self.total < 2:
            return torch.tensor(float("nan"))
        return super().compute()


def doubled(values: Tensor) -> Tensor:
    """The values in float64; on the CPU if their device has no float64 (mps)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


class TorchMetrics(Measurement):
    """Several torchmetrics metrics fed with the same (prediction, target) pairs.

    Args:
        metrics: name -> metric with one number as its value.
        prepare: (output, target) -> arguments of the metrics' ``update``; by default both unchanged.
        exact: sums are in float64, for metrics that add up squares. ``prepare`` returns float64 (``doubled``).
    """

    def __init__(self, metrics: dict[str, Any], prepare: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None, exact: bool = False):
        self.metrics = MetricCollection(metrics, compute_groups=False)
        if exact:
            for metric in self.metrics.values():
                metric.set_dtype(torch.float64)
        self.prepare = prepare
        self.rows = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        prepared = self.prepare(output, target) if self.prepare else (output, target)
        if self.rows == 0:
            self.metrics.to(prepared[1].device)
        self.rows += len(target)
        self.metrics.update(*prepared)

    def compute(self) -> dict[str, float]:
        if self.rows == 0:
            return dict.fromkeys(map(str, self.metrics), float("nan"))
        return {name: float(value) for name, value in self.metrics.compute().items()}
