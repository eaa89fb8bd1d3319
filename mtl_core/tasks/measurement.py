"""Measurements made of torchmetrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.regression import R2Score

from mtl_core.tasks.kind import Measurement


class R2(R2Score):
    """torchmetrics' R2, NaN instead of an error where fewer than two values were seen: it is not defined there."""

    def compute(self) -> Tensor:
        if self.total < 2:
            return torch.tensor(float("nan"))
        return super().compute()


class TorchMetrics(Measurement):
    """Several torchmetrics metrics fed with the same (prediction, target) pairs.

    Args:
        metrics: name -> metric giving one number.
        prepare: (output, target) -> what the metrics' ``update`` takes; by default both as they are.
    """

    def __init__(self, metrics: dict[str, Any], prepare: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None):
        self.metrics = MetricCollection(metrics, compute_groups=False)
        self.prepare = prepare
        self.rows = 0

    def update(self, output: Tensor, target: Tensor) -> None:
        if self.rows == 0:
            self.metrics.to(target.device)
        self.rows += len(target)
        self.metrics.update(*(self.prepare(output, target) if self.prepare else (output, target)))

    def compute(self) -> dict[str, float]:
        if self.rows == 0:
            return dict.fromkeys(self.metrics, float("nan"))
        return {name: float(value) for name, value in self.metrics.compute().items()}
