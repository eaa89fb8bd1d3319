"""Classification: confusion, precision and recall of each class, curves, calibration.

Arrays: ``pr``, ``roc`` (K, 2, P) and ``reliability`` (15, 3), see ``probabilities``. With two classes also ``decisions`` for the second one at every
threshold, see ``decisions``.
"""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.analysis.evaluation.decisions import decisions_of
from mtl_core.analysis.evaluation.findings import THRESHOLD, Cells, Findings, KindEvaluation, joined, mean
from mtl_core.analysis.evaluation.probabilities import calibration, ranking
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.language import mark
from mtl_core.tasks.metrics.metric_library import classification


class ClassificationEvaluation(KindEvaluation):
    """Over whole images."""

    def __init__(self, task: Task):
        super().__init__(task)
        self.probabilities: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []
        self.rows: list[np.ndarray] = []

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        self.probabilities.append(predictions)
        self.targets.append(targets)
        self.rows.append(rows)

    def compute(self) -> Findings:
        names = tuple(self.task.classes)
        probabilities, targets = joined(self.probabilities, (0, len(names))), joined(self.targets, (0,), int).astype(np.int64)
        said = probabilities.argmax(1)
        entries = np.stack([joined(self.rows, (0,), int), targets, said, np.ones(len(said))], 1).astype(np.int64)
        cells = Cells(names, names, "images", entries)
        matrix = cells.matrix()
        precision, area, curves = ranking(probabilities, targets[:, None] == np.arange(len(names)))
        confidence = probabilities.max(1, initial=0.0)
        error, reliability = calibration(confidence, said == targets)
        per_class = class_table(said, targets, matrix, len(names))
        decided = decisions_of(probabilities[:, 1:], targets[:, None] == 1, THRESHOLD, (1,)).arrays() if len(names) == 2 else {}
        whole = {
            "accuracy": classification.MulticlassAccuracy(len(names), average="micro"),
            "f1": classification.MulticlassF1Score(len(names), average="macro"),
        }
        values = {name: _measured(metric, said, targets) for name, metric in whole.items()}
        return Findings(
            [
                (Metric("accuracy", mark("Accuracy"), "", True), values["accuracy"]),
                (Metric("f1", "F1, mean over classes", "", True), values["f1"]),
                (Metric("balanced_accuracy", "Balanced accuracy: recall, mean over classes", "", True), mean(per_class[1][1])),
                (Metric("ap", "Average precision, mean over classes", "", True), mean(precision)),
                (Metric("auc", "Area under the ROC curve, mean over classes", "", True), mean(area)),
                (Metric("ece", "Expected calibration error", "", False), error),
            ],
            [*per_class, (Metric("ap", "Average precision", "", True), precision), (Metric("auc", "ROC area", "", True), area)],
            cells,
            {**curves, "reliability": reliability, **decided},
        )


def class_table(said: np.ndarray, targets: np.ndarray, matrix: np.ndarray, classes: int) -> list[tuple[Metric, np.ndarray]]:
    """Precision, recall, F1 and support of each class; NaN for 0 / 0 (class never predicted, never present, or both)."""
    predicted, there = matrix.sum(0), matrix.sum(1)
    parts = (
        (Metric("precision", mark("Precision"), "", True), classification.MulticlassPrecision, predicted > 0),
        (Metric("recall", mark("Recall"), "", True), classification.MulticlassRecall, there > 0),
        (Metric("f1", "F1", "", True), classification.MulticlassF1Score, predicted + there > 0),
    )
    found = [(metric, np.where(defined, _each(kind(classes, average=None), said, targets, classes), np.nan)) for metric, kind, defined in parts]
    return [*found, (Metric("support", mark("Images"), "", True), there.astype(float))]


def _each(metric: torch.nn.Module, said: np.ndarray, targets: np.ndarray, classes: int) -> np.ndarray:
    if not len(said):
        return np.full(classes, np.nan)
    return metric(torch.from_numpy(said), torch.from_numpy(targets)).double().numpy().reshape(-1)


def _measured(metric: torch.nn.Module, said: np.ndarray, targets: np.ndarray) -> float:
    return float(metric(torch.from_numpy(said), torch.from_numpy(targets))) if len(said) else float("nan")
