"""Metrics of classes, by torchmetrics, without the classes of which nothing can be said.

Where several labels are possible, torchmetrics' mean F1 counts a class that no image has as 0: perfect predictions of a small split, which lacks one,
do not reach 1. Such a class is left out, as in ``MeanAveragePrecision`` and COCO's mAP. What is wrongly said of it counts in ``exact``.
Where each image or pixel has one class, torchmetrics, scikit-learn and the papers on segmentation leave out a class that is neither there nor
predicted; one that is predicted only counts as 0. So it is here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MultilabelAveragePrecision, MultilabelF1Score
from torchmetrics.utilities.data import dim_zero_cat


class Accuracy(MulticlassAccuracy):
    """Share of right answers; NaN where nothing counts (every pixel is ignored)."""

    def __init__(self, classes: int, ignore_index: int | None = None):
        super().__init__(classes, average="micro", ignore_index=ignore_index, validate_args=False)

    def compute(self) -> Tensor:
        return super().compute() if (self.tp + self.fn).sum() > 0 else torch.tensor(float("nan"))


class MeanLabelF1(MultilabelF1Score):
    """F1, mean over the classes that occur; any number of classes for each target."""

    def __init__(self, classes: int, threshold: float):
        super().__init__(classes, threshold=threshold, average="none", validate_args=False)

    def compute(self) -> Tensor:
        return super().compute()[self.tp + self.fn > 0].mean()


class MeanAveragePrecision(MultilabelAveragePrecision):
    """torchmetrics' average precision of each class; their mean without the classes that no image has, where it is not defined.

    torchmetrics' own mean counts such a class as 0. NaN where no image has any class.
    """

    def __init__(self, classes: int):
        super().__init__(classes, average="none", validate_args=False)

    def compute(self) -> Tensor:
        return super().compute()[dim_zero_cat(self.target).sum(0) > 0].mean()
