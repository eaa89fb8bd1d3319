"""Means of torchmetrics' metrics over classes, without the classes for which a metric is not defined.

With several labels per image, torchmetrics' mean F1 counts a class that no image has as 0, so perfect predictions of a small split that lacks a
class do not reach 1. Such a class is left out, as in ``MeanAveragePrecision`` and COCO's mAP. False predictions of it count in ``exact``.
With one class per image or pixel, a class that is neither present nor predicted is left out, and one that is only predicted counts as 0, as in
torchmetrics, scikit-learn and the papers on segmentation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mtl_core.tasks.metrics.metric_library import classification, functional_classification, utilities


class Accuracy(classification.MulticlassAccuracy):
    """Share of right predictions; NaN if nothing counts (every pixel is ignored)."""

    tp: Tensor
    fn: Tensor

    def __init__(self, classes: int, ignore_index: int | None = None):
        super().__init__(classes, average="micro", ignore_index=ignore_index, validate_args=False)

    def compute(self) -> Tensor:
        return super().compute() if (self.tp + self.fn).sum() > 0 else torch.tensor(float("nan"))


class MeanLabelF1(classification.MultilabelF1Score):
    """F1, mean over the classes that occur; any number of classes for each target."""

    tp: Tensor
    fn: Tensor

    def __init__(self, classes: int, threshold: float):
        super().__init__(classes, threshold=threshold, average="none", validate_args=False)

    def compute(self) -> Tensor:
        return super().compute()[self.tp + self.fn > 0].mean()


class MeanAveragePrecision(classification.MultilabelAveragePrecision):
    """Mean of torchmetrics' average precision over the classes that occur in some image. For the others it is not defined.

    torchmetrics' own mean counts such a class as 0, and warns of each one. NaN if no image has any class.
    """

    def __init__(self, classes: int):
        super().__init__(classes, average="none", validate_args=False)

    def compute(self) -> Tensor:
        scores, wanted = utilities.dim_zero_cat(self.preds), utilities.dim_zero_cat(self.target)
        occur = wanted.sum(0) > 0
        if not occur.any():
            return scores.new_tensor(float("nan"))
        return functional_classification.multilabel_average_precision(
            scores[:, occur], wanted[:, occur], num_labels=int(occur.sum()), average="none", validate_args=False
        ).mean()
