"""Depth: errors over all pixels with a measurement.

Arrays: ``by_depth`` float64 (B, 3): middle of a bin of true depths, number of pixels, their mean absolute error (NaN in an empty bin).
"""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.analysis.evaluation.findings import Findings, KindEvaluation, ratio
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.language import mark
from mtl_core.tasks.metrics.metric_library import regression

STRETCHES = 20
CLOSE = 1.25  # the base of the deltas: Eigen et al. 2014, https://arxiv.org/abs/1406.2283


class DepthEvaluation(KindEvaluation):
    """Over the pixels of all images together. Relative metrics leave out pixels with a true depth of 0 or less."""

    def __init__(self, task: Task):
        super().__init__(task)
        self.metrics = {"rmse": regression.MeanSquaredError(squared=False), "mae": regression.MeanAbsoluteError(), "r2": regression.R2Score()}
        self.relative = regression.MeanAbsolutePercentageError().set_dtype(torch.float64)
        for metric in self.metrics.values():
            metric.set_dtype(torch.float64)
        self.pixels = self.positive = 0
        self.within = np.zeros(3, dtype=np.int64)
        self.ends = np.linspace(*task.value_range, STRETCHES + 1)
        self.sums = np.zeros((STRETCHES, 2))

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        known = np.isfinite(targets)
        said, true = predictions[known].astype(np.float64), targets[known].astype(np.float64)
        if not len(true):
            return
        self.pixels += len(true)
        for metric in self.metrics.values():
            metric.update(torch.from_numpy(said), torch.from_numpy(true))
        place = np.clip(np.searchsorted(self.ends, true, side="right") - 1, 0, STRETCHES - 1)
        self.sums += np.stack([np.bincount(place, weights, STRETCHES) for weights in (np.ones_like(true), np.abs(said - true))], 1)
        said, true = said[true > 0], true[true > 0]
        if len(true):
            self.positive += len(true)
            self.relative.update(torch.from_numpy(said), torch.from_numpy(true))
            factor = np.maximum(np.maximum(said, 1e-6) / true, true / np.maximum(said, 1e-6))
            self.within += [int((factor < CLOSE**power).sum()) for power in (1, 2, 3)]

    def compute(self) -> Findings:
        least = {"rmse": 1, "mae": 1, "r2": 2}
        found = {name: float(metric.compute()) if self.pixels >= least[name] else float("nan") for name, metric in self.metrics.items()}
        shares = ratio(self.within, np.full(3, self.positive))
        middles = (self.ends[1:] + self.ends[:-1]) / 2
        return Findings(
            [
                (Metric("rmse", "Root mean squared error", "unit", False), found["rmse"]),
                (Metric("mae", "Mean absolute error", "unit", False), found["mae"]),
                (Metric("abs_rel", "Absolute error relative to the depth, mean", "", False), self._relative()),
                (Metric("delta1", mark("Pixels within 25 %"), "", True), float(shares[0])),
                (Metric("delta2", "Pixels within a factor of 1.25²", "", True), float(shares[1])),
                (Metric("delta3", "Pixels within a factor of 1.25³", "", True), float(shares[2])),
                (Metric("r2", "R2 (1 exact, 0 no better than the mean)", "", True), found["r2"]),
            ],
            arrays={"by_depth": np.column_stack([middles, self.sums[:, 0], ratio(self.sums[:, 1], self.sums[:, 0])])},
        )

    def _relative(self) -> float:
        return float(self.relative.compute()) if self.positive else float("nan")
