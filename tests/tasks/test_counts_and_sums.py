"""The curves' metrics, which are counts and sums of this project's own, against torchmetrics: with classes that are absent, equal scores, ignored
pixels, one image, and numbers far from 0. torchmetrics computes the first four in float32."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics import classification, regression

from mtl_core.data.dataset import IGNORE
from mtl_core.tasks.metrics.class_counts import LabelsMeasurement, OneClassMeasurement, accuracy, mean_f1, mean_iou
from mtl_core.tasks.metrics.error_sums import ErrorSums

CLOSE = {"abs": 1e-6, "nan_ok": True}
sizes = pytest.mark.parametrize(("classes", "images"), [(2, 1), (3, 2), (10, 7), (40, 5)])


def batches(make, times=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return [make(random) for _ in range(times)]


def fed(one, *others, given):
    """``one`` and torchmetrics' ``others`` after all batches; ``given`` makes of a batch what torchmetrics takes."""
    for output, target in one[1]:
        one[0].update(output, target)
        for other in others:
            other.update(*given(output, target))
    return one[0].compute()


@sizes
def test_one_class_per_image(classes, images):
    def make(random):
        return torch.randn(images, classes, generator=random), torch.randint(0, classes - 1, (images,), generator=random)

    share, f1 = classification.MulticlassAccuracy(classes, average="micro"), classification.MulticlassF1Score(classes)
    ours = OneClassMeasurement(classes, {"accuracy": accuracy, "f1": mean_f1})
    found = fed((ours, batches(make)), share, f1, given=lambda output, target: (output, target))
    assert found == pytest.approx({"accuracy": float(share.compute()), "f1": float(f1.compute())}, **CLOSE)


@sizes
def test_one_class_per_pixel(classes, images):
    def make(random):
        target = torch.randint(0, classes, (images, 3, 4), generator=random)
        target[torch.rand(target.shape, generator=random) < 0.3] = IGNORE
        return torch.randn(images, classes, 3, 4, generator=random), target.to(torch.uint8)

    share = classification.MulticlassAccuracy(classes, average="micro", ignore_index=IGNORE)
    iou = classification.MulticlassJaccardIndex(classes, ignore_index=IGNORE)
    ours = OneClassMeasurement(classes, {"accuracy": accuracy, "iou": mean_iou}, ignored=IGNORE)
    found = fed((ours, batches(make)), share, iou, given=lambda output, target: (output.argmax(1), target.long()))
    assert found == pytest.approx({"accuracy": float(share.compute()), "iou": float(iou.compute())}, **CLOSE)


@sizes
def test_any_number_of_classes(classes, images):
    def make(random):
        target = (torch.rand(images, classes, generator=random) < 0.4).to(torch.uint8)
        target[:, -1] = 0  # no image has the last class
        return (2 * torch.randn(images, classes, generator=random)).round() / 2, target

    f1, precision = classification.MultilabelF1Score(classes, average="none"), classification.MultilabelAveragePrecision(classes, average="none")
    exact, made = classification.MultilabelExactMatch(classes), batches(make)
    found = fed((LabelsMeasurement(0.5), made), f1, precision, exact, given=lambda output, target: (output.sigmoid(), target.long()))
    there = torch.cat([target > 0 for _, target in made]).any(0)
    expected = {"f1": float(f1.compute()[there].mean()), "map": float(precision.compute()[there].mean()), "exact": float(exact.compute())}
    assert found == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e-3])
@pytest.mark.parametrize("count", [1, 2, 50])
def test_errors(count, scale):
    def make(random):
        return tuple(scale * (1 + torch.randn(count, generator=random, dtype=torch.float64)) for _ in range(2))

    theirs = {"mae": regression.MeanAbsoluteError(), "rmse": regression.MeanSquaredError(squared=False), "r2": regression.R2Score()}
    ours = ErrorSums()
    for predicted, true in batches(make):
        ours.add(predicted, true)
        for metric in theirs.values():
            metric.set_dtype(torch.float64).update(predicted, true)
    assert ours.compute() == pytest.approx({name: float(metric.compute()) for name, metric in theirs.items()}, rel=1e-12)


def test_r2_of_too_few_of_constant_and_of_exact_values():
    def of(predicted, true):
        sums = ErrorSums()
        sums.add(*(torch.tensor(values, dtype=torch.float64) for values in (predicted, true)))
        return sums.compute()["r2"]

    assert math.isnan(of([1.0], [2.0]))
    assert of([5.3, 5.3, 7.0], [5.3, 5.3, 5.3]) == 0.0
    assert of([1000.1] * 6 + [1002.0], [1000.1] * 7) == 0.0  # rounding leaves a spread of -2e-9
    assert of([5.3, 1.7], [5.3, 1.7]) == of([5.3, 5.3], [5.3, 5.3]) == 1.0
    assert math.isnan(of([math.nan, 1.0], [1.0, 2.0]))
