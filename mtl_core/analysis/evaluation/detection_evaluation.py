"""Detection: COCO's average precision overall, of each class and of each size; a confusion matrix with missed boxes and false positives.

Arrays: ``pr`` float32 (K, 2, 101): recall and precision at IoU 0.50, NaN for a class that no image has. ``decisions`` at every threshold of the score
and IoU 0.50, see ``decisions``.
"""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.analysis.box_matching import MATCHING_IOU, SHOWN_SCORE, match_boxes
from mtl_core.analysis.evaluation.decisions import box_decisions, box_hits
from mtl_core.analysis.evaluation.findings import MADE_UP, MISSED, Cells, Findings, KindEvaluation, joined
from mtl_core.data.dataset import Task
from mtl_core.events import Metric
from mtl_core.language import mark
from mtl_core.tasks.metrics.detection_metrics import THRESHOLDS
from mtl_core.tasks.metrics.metric_library import detection

SIZES = ("small", "medium", "large")  # COCO's: below 32², below 96², from 96² square pixels on
SIZE_TITLES = {"small": mark("under 32² pixels"), "medium": mark("32² to 96² pixels"), "large": mark("over 96² pixels")}  # of the prepared images
AP_TITLES = {"small": mark("AP, under 32² pixels"), "medium": mark("AP, 32² to 96² pixels"), "large": mark("AP, over 96² pixels")}


class DetectionEvaluation(KindEvaluation):
    """Average precision over all boxes; confusion over boxes with a score of 0.3 or more and an IoU of at least 0.5."""

    def __init__(self, task: Task):
        super().__init__(task)
        self.metric = detection.MeanAveragePrecision(box_format="xyxy", iou_type="bbox", extended_summary=True, **THRESHOLDS)
        self.metric.warn_on_many_detections = False
        self.boxes = np.zeros(len(task.classes), dtype=np.int64)
        self.entries: list[np.ndarray] = []
        self.decided: list[np.ndarray] = []  # (P, 3) of each image: score, class, whether the box finds one

    def update(self, predictions: np.ndarray, targets: np.ndarray, rows: np.ndarray) -> None:
        said, true = [], []
        for row, predicted, target in zip(rows, predictions, targets, strict=True):
            predicted, target = predicted[predicted[:, 4] >= 0], target[target[:, 4] >= 0]
            classes = torch.from_numpy(predicted[:, 4].astype(np.int64)), torch.from_numpy(target[:, 4].astype(np.int64))
            scores = torch.from_numpy(predicted[:, 5].copy())
            said.append({"boxes": torch.from_numpy(predicted[:, :4].copy()), "labels": classes[0], "scores": scores})
            true.append({"boxes": torch.from_numpy(target[:, :4].copy()), "labels": classes[1]})
            self.boxes += np.bincount(classes[1].numpy(), minlength=len(self.boxes))
            self.decided.append(_decided(predicted, target))
            self.entries.append(_entries(int(row), predicted[predicted[:, 5] >= SHOWN_SCORE], target, len(self.boxes)))
        self.metric.update(said, true)

    def compute(self) -> Findings:
        names = tuple(self.task.classes)
        cells = Cells((*names, MADE_UP), (*names, MISSED), "boxes", joined(self.entries, (0, 4), int).astype(np.int64))
        precision, whole = self._precision(), self._whole()
        curves = np.full((len(names), 2, precision.shape[1]), np.nan, dtype=np.float32)
        at_half = precision[0, :, :, 0].T
        there = np.isfinite(at_half).any(1)
        curves[there, 0], curves[there, 1] = np.linspace(0, 1, precision.shape[1]), at_half[there]
        return Findings(
            [
                (Metric("map", "mAP, IoU 0.50 to 0.95", "", True), whole["map"]),
                (Metric("map_50", "mAP at IoU 0.50", "", True), whole["map_50"]),
                (Metric("map_75", "mAP at IoU 0.75", "", True), whole["map_75"]),
                *((Metric(f"map_{size}", f"mAP of boxes {SIZE_TITLES[size]}", "", True), whole[f"map_{size}"]) for size in SIZES),
                (Metric("mar", "Recall, IoU 0.50 to 0.95, mean over classes", "", True), whole["mar_100"]),
            ],
            [
                (Metric("ap", "AP", "", True), _mean_of(precision[:, :, :, 0])),
                (Metric("ap_50", mark("AP at 0.50"), "", True), _mean_of(precision[:1, :, :, 0])),
                *((Metric(f"ap_{size}", AP_TITLES[size], "", True), _mean_of(precision[..., place + 1])) for place, size in enumerate(SIZES)),
                (Metric("support", mark("Boxes"), "", True), self.boxes.astype(float)),
            ],
            cells,
            {"pr": curves, **self._decisions()},
        )

    def _decisions(self) -> dict[str, np.ndarray]:
        score, label, hit = joined(self.decided, (0, 3)).T
        return box_decisions(score, label.astype(int), hit > 0, self.boxes, SHOWN_SCORE).arrays()

    def _whole(self) -> dict[str, float]:
        names = ("map", "map_50", "map_75", *(f"map_{size}" for size in SIZES), "mar_100")
        values = self._measured()
        found = {name: float(values[name]) if values else -1.0 for name in names}
        return {name: value if value >= 0 else float("nan") for name, value in found.items()}  # COCO gives -1 if there are no true boxes

    def _precision(self) -> np.ndarray:
        """float64 (10 IoUs, 101 recalls, K classes, 4 sizes: all, small, medium, large); NaN without true boxes."""
        found = np.full((10, 101, len(self.boxes), 1 + len(SIZES)), np.nan)
        values = self._measured()
        if values:
            measured = values["precision"].numpy()[..., -1].astype(np.float64)
            seen = np.atleast_1d(values["classes"].numpy()).astype(int)
            found[:, :, seen] = np.where(measured < 0, np.nan, measured)
        return found

    def _measured(self) -> dict[str, torch.Tensor]:
        return self.metric.compute() if self.boxes.sum() else {}  # torchmetrics caches the result


def _mean_of(precision: np.ndarray) -> np.ndarray:
    """(K,): mean over IoUs and recalls; NaN for a class without true boxes."""
    return precision.mean((0, 1))


def _decided(predicted: np.ndarray, target: np.ndarray) -> np.ndarray:
    hits = np.zeros(len(predicted), dtype=bool)
    for label in np.unique(predicted[:, 4]):
        own = predicted[:, 4] == label
        hits[own] = box_hits(predicted[own], target[target[:, 4] == label], MATCHING_IOU)
    return np.column_stack([predicted[:, 5], predicted[:, 4], hits])


def _entries(row: int, predicted: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    matches = match_boxes(predicted, target, MATCHING_IOU)
    said, true = predicted[:, 4].astype(int), target[:, 4].astype(int)
    pairs = [
        *zip(true[matches.target], said[matches.predicted], strict=True),
        *((classes, said[place]) for place in matches.false_alarms),
        *((true[place], classes) for place in matches.missed),
    ]
    return np.array([(row, one, other, 1) for one, other in pairs], dtype=np.int64).reshape(-1, 4)
