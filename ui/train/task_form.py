"""MAE, RMSE and R2 from sums of errors and of squares in float64. The sums stay on the device until they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mtl_core.tasks.kind import Measurement

NOTHING = 1e-4  # a sum of squares up to here counts as 0 in R2, as in torchmetrics: rounding leaves less than that of constant targets


def doubled(values: Tensor) -> Tensor:
    """The values in float64; on the CPU if their device has no float64 (mps)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


class ErrorSums:
    """``add`` takes predicted and true values of one shape in float64 (``doubled``)."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: Tensor | None = None

    def add(self, predicted: Tensor, true: Tensor) -> None:
        error = predicted - true
        sums = torch.stack([error.abs().sum(), (error * error).sum(), true.sum(), (true * true).sum()])
        self._sums = sums if self._sums is None else self._sums + sums
        self.count += true.numel()

    def compute(self) -> dict[str, float]:
        """``mae``, ``rmse`` and ``r2``. NaN without a value, and for R2 with fewer than two: it is not defined for them."""
        if self._sums is None or not self.count:
            return dict.fromkeys(("mae", "rmse", "r2"), math.nan)
        errors, squares, total, total_squares = self._sums.tolist()
        return {
            "mae": errors / self.count,
            "rmse": math.sqrt(squares / self.count),
            "r2": _r2(squares, total_squares - total * (total / self.count)) if self.count > 1 else math.nan,
        }


class ErrorMeasurement(Measurement):
    """MAE, RMSE and R2 of outputs that ``in_units`` turns into numbers in the targets' unit."""

    def __init__(self, in_units: Callable[[Tensor], Tensor]):
        self.in_units, self.sums = in_units, ErrorSums()

    def update(self, output: Tensor, target: Tensor) -> None:
        self.sums.add(self.in_units(doubled(output)), doubled(target))

    def compute(self) -> dict[str, float]:
        return self.sums.compute()


def _r2(left: float, spread: float) -> float:
    if left <= NOTHING:
        return 1.0
    return 0.0 if abs(spread) <= NOTHING else 1 - left / spread
