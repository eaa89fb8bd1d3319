"""Segmentation: IoU and Dice of each class, over all pixels that are not ignored."""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.analysis.evaluation.findings import Cells, Findings, KindEvaluation, joined, mean
from mtl_core.data.dataset import IGNORE, Task
from mtl_core.events import Metric
from mtl_core.language import mark
from mtl_core.tasks.metrics.metric_library import classification


class SegmentationEvaluation(KindEvaluation):
    """Over the pixels of all images together, as is usual, so that an image with more pixels of a class counts more."""

    def __init__(self, task: Task):
        super().__init__(task)
        classes = len(task.classes)
        shared = {"ignore_index": IGNORE, "validate_args": False}
        self.metrics = {
            "pixel_accuracy": classification.MulticlassAccuracy(classes, average="micro", **shared),
            "iou": classification.MulticlassJaccardIndex(classes, average="none", **shared),
            "dice": classification.MulticlassF1Score(classes, average="none", **shared),
        }
        self.entries: list[np.ndarray] = []

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        said, true = (torch.from_numpy(np.ascontiguousarray(values)).long() for values in (predictions, targets))
        for metric in self.metrics.values():
            metric.update(said, true)
        classes = len(self.task.classes)
        for row, predicted, target in zip(rows, predictions, targets, strict=True):
            counted = target != IGNORE
            pairs = np.bincount(target[counted].astype(np.int64) * classes + predicted[counted], minlength=classes * classes)
            cells = np.flatnonzero(pairs)
            self.entries.append(np.stack([np.full(len(cells), row), cells // classes, cells % classes, pairs[cells]], 1))

    def compute(self) -> Findings:
        names = tuple(self.task.classes)
        cells = Cells(names, names, "pixels", joined(self.entries, (0, 4), int).astype(np.int64))
        matrix = cells.matrix()
        there, said = matrix.sum(1), matrix.sum(0)
        seen = there.sum() > 0
        found = {name: metric.compute().double().numpy() if seen else np.full(len(names), np.nan) for name, metric in self.metrics.items()}
        iou, dice = (np.where(there + said > 0, found[name], np.nan) for name in ("iou", "dice"))
        return Findings(
            [
                (Metric("miou", "IoU, mean over classes", "", True), mean(iou)),
                (Metric("pixel_accuracy", "Pixels with the right class", "", True), float(found["pixel_accuracy"]) if seen else float("nan")),
                (Metric("dice", "Dice, mean over classes", "", True), mean(dice)),
            ],
            [
                (Metric("iou", "IoU", "", True), iou),
                (Metric("dice", "Dice", "", True), dice),
                (Metric("support", mark("Pixels"), "", True), there.astype(float)),
            ],
            cells,
        )
