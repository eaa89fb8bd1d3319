"""Multi-label: average precision, ROC area and outcomes of each class, calibration.

Arrays: ``pr``, ``roc`` (K, 2, P) and ``reliability`` (15, 3), see ``probabilities``; calibration is over all classes at once. ``decisions`` at every
threshold, see ``decisions``.
"""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.analysis.evaluation.decisions import decisions_of
from mtl_core.analysis.evaluation.findings import OUTCOMES, THRESHOLD, Cells, Findings, KindEvaluation, joined, mean
from mtl_core.analysis.evaluation.probabilities import calibration, ranking
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.tasks.metrics.class_means import MeanLabelF1
from mtl_core.tasks.metrics.metric_library import classification


class MultiLabelEvaluation(KindEvaluation):
    """Each class is a binary decision; its row in ``cells`` counts the four outcomes."""

    def __init__(self, task: Task):
        super().__init__(task)
        self.probabilities: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        self.probabilities.append(predictions)
        self.targets.append(targets > 0)
        self.rows.append(rows)

    def compute(self) -> Findings:
        classes = len(self.task.classes)
        probabilities = joined(self.probabilities, (0, classes))
        truth, rows = joined(self.targets, (0, classes), bool), joined(self.rows, (0,), int)
        said = probabilities >= THRESHOLD
        precision, area, curves = ranking(probabilities, truth)
        error, reliability = calibration(probabilities.ravel(), truth.ravel())
        return Findings(
            [
                *self._whole(probabilities, truth),
                # as in the curves: mean without the classes that no image has
                (Metric("map", "Average precision, mean over the classes that occur", "", True), mean(precision)),
                (Metric("auc", "Area under the ROC curve, mean over the classes that occur", "", True), mean(area)),
                (Metric("ece", "Expected calibration error", "", False), error),
            ],
            [
                *_class_table(probabilities, said, truth),
                (Metric("ap", "Average precision", "", True), precision),
                (Metric("auc", "ROC area", "", True), area),
            ],
            Cells(tuple(self.task.classes), OUTCOMES, "images", _entries(said, truth, rows)),
            {**curves, "reliability": reliability, **decisions_of(probabilities, truth, THRESHOLD).arrays()},
        )

    def _whole(self, probabilities: np.ndarray, truth: np.ndarray) -> list[tuple[Metric, float]]:
        classes = len(self.task.classes)
        metrics = (
            (Metric("f1", "F1, mean over the classes that occur", "", True), MeanLabelF1(classes, THRESHOLD)),
            (Metric("exact", "Images with every class right", "", True), classification.MultilabelExactMatch(classes, threshold=THRESHOLD)),
        )
        if not len(truth):
            return [(metric, float("nan")) for metric, _ in metrics]
        scores, targets = torch.from_numpy(_sided(probabilities)), torch.from_numpy(truth).long()
        return [(metric, float(measured(scores, targets))) for metric, measured in metrics]


def _sided(probabilities: np.ndarray) -> np.ndarray:
    """float64, with exactly 0.5 moved up: here a class is predicted from 0.5 on, torchmetrics requires more than 0.5."""
    return np.where(probabilities == THRESHOLD, np.nextafter(THRESHOLD, 1.0), probabilities.astype(np.float64))


def _class_table(probabilities: np.ndarray, said: np.ndarray, truth: np.ndarray) -> list[tuple[Metric, np.ndarray]]:
    classes, predicted, there = truth.shape[1], said.sum(0), truth.sum(0)
    parts = (
        (Metric("precision", "Precision", "", True), classification.MultilabelPrecision, predicted > 0),
        (Metric("recall", "Recall", "", True), classification.MultilabelRecall, there > 0),
        (Metric("f1", "F1", "", True), classification.MultilabelF1Score, predicted + there > 0),
    )
    scores, targets = torch.from_numpy(_sided(probabilities)), torch.from_numpy(truth).long()
    found = []
    for metric, kind, defined in parts:
        values = kind(classes, threshold=THRESHOLD, average=None)(scores, targets).double().numpy() if len(truth) else np.full(classes, np.nan)
        found.append((metric, np.where(defined, values, np.nan)))
    return [*found, (Metric("support", "Images with it", "", True), there.astype(float))]


def _entries(said: np.ndarray, truth: np.ndarray, rows: np.ndarray) -> np.ndarray:
    image, label = (places.ravel() for places in np.indices(truth.shape))
    outcome = np.where(truth, np.where(said, 0, 1), np.where(said, 2, 3)).ravel()
    return np.stack([rows[image] if len(rows) else image, label, outcome, np.ones_like(label)], 1).astype(np.int64)
