"""Surface normals: angles between predicted and true ones, over all pixels that have one (Eigen and Fergus 2015, https://arxiv.org/abs/1411.4734).

Arrays: ``by_angle`` float64 (180, 2): middle of a bin of one degree, number of pixels with this error.
"""

from __future__ import annotations

import numpy as np

from mtl_core.analysis.evaluation.findings import Findings, KindEvaluation
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.language import mark
from mtl_core.tasks.metrics.image_errors import angles

LIMITS = {"within_11": 11.25, "within_22": 22.5, "within_30": 30.0}
LIMIT_TITLES = {"within_11": mark("Pixels within 11.25°"), "within_22": mark("Pixels within 22.5°"), "within_30": mark("Pixels within 30°")}
PER_DEGREE = 100  # bins of the histogram from which the median is read, exact to 1/100 of a degree


class NormalsEvaluation(KindEvaluation):
    """Over the pixels of all images together."""

    def __init__(self, task: Task):
        super().__init__(task)
        self.histogram = np.zeros(180 * PER_DEGREE + 1, dtype=np.int64)
        self.total = 0.0
        self.within = dict.fromkeys(LIMITS, 0)

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        found = np.concatenate([angles(*pair) for pair in zip(predictions, targets, strict=True)])
        self.histogram += np.bincount((found * PER_DEGREE).round().astype(np.int64), minlength=len(self.histogram))
        self.total += float(found.sum())
        for name, limit in LIMITS.items():
            self.within[name] += int((found < limit).sum())

    def compute(self) -> Findings:
        pixels = int(self.histogram.sum())
        median = np.searchsorted(self.histogram.cumsum(), (pixels + 1) // 2) / PER_DEGREE if pixels else np.nan
        degrees = np.add.reduceat(self.histogram, np.arange(0, 180 * PER_DEGREE, PER_DEGREE))
        return Findings(
            [
                (Metric("mean", "Angle, mean", "°", False), self.total / pixels if pixels else np.nan),
                (Metric("median", "Angle, median", "°", False), float(median)),
                *((Metric(name, LIMIT_TITLES[name], "", True), self.within[name] / pixels if pixels else np.nan) for name in LIMITS),
            ],
            arrays={"by_angle": np.column_stack([np.arange(180) + 0.5, degrees]).astype(float)},
        )
