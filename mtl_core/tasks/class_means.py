"""Metrics of classes, by torchmetrics. A mean over classes leaves out the classes that no target has: nothing can be found of them.

torchmetrics counts such a class as 0: in multi-label F1 always, elsewhere where it was predicted once. Then perfect predictions of a small split,
which lacks a class, do not reach 1, and one stray prediction costs as much as a class that was never found. What is predicted wrongly still costs:
it is missing in another class (several labels: it counts in the exact match). As ``MeanAveragePrecision`` and COCO's mAP have it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score, MulticlassJaccardIndex, MultilabelF1Score


def mean_of_present(values: Tensor, present: Tensor) -> Tensor:
    """Mean of ``values`` (K,) where ``present`` (K,); NaN where no class is."""
    return values[present].mean()


class Accuracy(MulticlassAccuracy):
    """Share of right answers; NaN where nothing counts (every pixel is ignored)."""

    def __init__(self, classes: int, ignore_index: int | None = None):
        super().__init__(classes, average="micro", ignore_index=ignore_index, validate_args=False)

    def compute(self) -> Tensor:
        return super().compute() if (self.tp + self.fn).sum() > 0 else torch.tensor(float("nan"))


class MeanF1(MulticlassF1Score):
    """F1, mean over the classes that occur; one class for each target."""

    def __init__(self, classes: int, ignore_index: int | None = None):
        super().__init__(classes, average="none", ignore_index=ignore_index, validate_args=False)

    def compute(self) -> Tensor:
        return mean_of_present(super().compute(), self.tp + self.fn > 0)


class MeanLabelF1(MultilabelF1Score):
    """F1, mean over the classes that occur; any number of classes for each target."""

    def __init__(self, classes: int, threshold: float):
        super().__init__(classes, threshold=threshold, average="none", validate_args=False)

    def compute(self) -> Tensor:
        return mean_of_present(super().compute(), self.tp + self.fn > 0)


class MeanIoU(MulticlassJaccardIndex):
    """Intersection over union, mean over the classes that occur."""

    def __init__(self, classes: int, ignore_index: int | None = None):
        super().__init__(classes, average="none", ignore_index=ignore_index, validate_args=False)

    def compute(self) -> Tensor:
        return mean_of_present(super().compute(), self.confmat.sum(1) > 0)
