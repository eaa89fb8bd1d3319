"""Regression: errors in the task's unit.

Arrays: ``scatter`` float64 (N, 3): row of the split, target, prediction.
"""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.analysis.evaluation.findings import Findings, KindEvaluation, joined
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.tasks.metrics.metric_library import regression

UNIT = "unit"  # placeholder for the task's own unit


class RegressionEvaluation(KindEvaluation):
    """Over whole images."""

    def __init__(self, task: Task):
        super().__init__(task)
        self.parts: list[np.ndarray] = []

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        self.parts.append(np.stack([rows, targets, predictions], 1).astype(np.float64))

    def compute(self) -> Findings:
        scatter = joined(self.parts, (0, 3))
        true, predicted = torch.from_numpy(scatter[:, 1].copy()), torch.from_numpy(scatter[:, 2].copy())
        metrics = (
            (Metric("mae", "Mean absolute error", UNIT, False), regression.MeanAbsoluteError(), 1),
            (Metric("rmse", "Root mean squared error", UNIT, False), regression.MeanSquaredError(squared=False), 1),
            (Metric("r2", "R2 (1 exact, 0 no better than the mean)", "", True), regression.R2Score(), 2),
        )
        values = [
            (metric, float(measured.set_dtype(torch.float64)(predicted, true)) if len(true) >= least else np.nan)
            for metric, measured, least in metrics
        ]
        errors = np.abs(scatter[:, 2] - scatter[:, 1])
        values.append((Metric("median_error", "Median absolute error", UNIT, False), float(np.median(errors)) if len(errors) else np.nan))
        return Findings(values, arrays={"scatter": scatter})
