"""Mean average precision by torchmetrics (pycocotools behind it)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtl_core.tasks.kind import Measurement
from mtl_core.tasks.metrics.metric_library import detection

# Recall thresholds as in pycocotools. torchmetrics rounds them to float32, which moves a recall such as 4 / 20 past its threshold (up to 0.002 off).
THRESHOLDS = {"iou_thresholds": np.linspace(0.5, 0.95, 10).tolist(), "rec_thresholds": np.linspace(0.0, 1.0, 101).tolist()}


class MeanAveragePrecisionMeasurement(Measurement):
    """COCO's mAP over IoU 0.50 to 0.95, and at 0.50.

    Args:
        boxes: output -> (n, M, 6) decoded boxes as in ``mtl_core.tasks.kind``.
    """

    def __init__(self, boxes: Callable[[Any], Tensor]):
        self.boxes = boxes
        self.metric = detection.MeanAveragePrecision(box_format="xyxy", iou_type="bbox", **THRESHOLDS)
        self.metric.warn_on_many_detections = False
        self.true_boxes = 0

    def update(self, output: Any, target: Tensor) -> None:
        predictions, targets = [], []
        for rows, true_rows in zip(self.boxes(output).cpu(), target.cpu(), strict=True):
            rows, true_rows = rows[rows[:, 4] >= 0], true_rows[true_rows[:, 4] >= 0]
            predictions.append({"boxes": rows[:, :4], "labels": rows[:, 4].long(), "scores": rows[:, 5]})
            targets.append({"boxes": true_rows[:, :4], "labels": true_rows[:, 4].long()})
            self.true_boxes += len(true_rows)
        self.metric.update(predictions, targets)

    def compute(self) -> dict[str, float]:
        if self.true_boxes == 0:  # COCO gives -1 if there are no true boxes
            return {"map": float("nan"), "map_50": float("nan")}
        with torch.no_grad():
            values = self.metric.compute()
        return {"map": float(values["map"]), "map_50": float(values["map_50"])}
