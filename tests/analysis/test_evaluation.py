"""Every metric equals an independent computation (scikit-learn, pycocotools, numpy) to 1e-6, on random and on degenerate cases."""

import warnings

import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from mtl_core.data.dataset import IGNORE, Task
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS

CLASSES = ("a", "b", "c", "d")  # no image has the last one unless a test says so

# Tasks that make their targets themselves are none of a data set's.
KINDS = sorted(kind for kind in TASK_KINDS if not getattr(TASK_KINDS.load(kind), "is_self_supervised", False))


def evaluated(kind, predictions, targets, classes=CLASSES, batches=3, **more):
    evaluation = TASK_KINDS.load(kind).evaluation(Task("task", kind, "task", classes, "m", **more))
    for rows in np.array_split(np.arange(len(targets)), batches):
        if len(rows):
            evaluation.update(predictions[rows], targets[rows], rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return evaluation.compute()


def values(findings):
    return {metric.name: value for metric, value in findings.values}


def of_classes(findings):
    return {metric.name: value for metric, value in findings.class_values}


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), atol=1e-6, rtol=1e-6, equal_nan=True)


def expected_calibration_error(confidence, right):
    """From scikit-learn's calibration curve, whose empty bins are left out, and how many samples each bin has."""
    share, mean = calibration_curve(right, confidence, n_bins=15)
    count = np.histogram(confidence, np.linspace(0, 1, 16))[0]
    return (count[count > 0] * np.abs(share - mean)).sum() / count.sum()


def ranked(probabilities, truth):
    """Average precision and ROC area of each class; NaN where they are not defined."""
    area, precision = [], []
    for score, wanted in zip(probabilities.T, truth.T, strict=True):
        precision.append(metrics.average_precision_score(wanted, score) if wanted.any() else np.nan)
        area.append(metrics.roc_auc_score(wanted, score) if wanted.any() and not wanted.all() else np.nan)
    return precision, area


def softmax(random, images, classes=4):
    scores = np.exp(random.normal(size=(images, classes)) * 2)
    return (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def test_every_kind_is_evaluated():
    assert all(TASK_KINDS.load(kind).evaluation(Task("t", kind, "t", ("a", "b"))) is not None for kind in KINDS)


# -- classification


@pytest.mark.parametrize("images", [1, 2, 90])
@pytest.mark.parametrize("seed", [0, 1])
def test_classification(images, seed):
    random = np.random.default_rng(seed)
    probabilities, targets = softmax(random, images), random.integers(0, 3, images)
    probabilities[0, :3], probabilities[0, 3] = 0, 1  # as sure as can be, and wrong
    found, said = evaluated("classification", probabilities, targets), probabilities.argmax(1)
    labels = list(range(4))
    np.testing.assert_array_equal(found.cells.matrix(), metrics.confusion_matrix(targets, said, labels=labels))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(targets, said, labels=labels, zero_division=np.nan)
    table = of_classes(found)
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "support": support}.items():
        close(table[name], expected)
    close(table["ap"], (ranks := ranked(probabilities, targets[:, None] == np.arange(4)))[0])
    close(table["auc"], ranks[1])
    whole = values(found)
    close(whole["accuracy"], metrics.accuracy_score(targets, said))
    close(whole["f1"], np.nanmean(f1))
    close(whole["balanced_accuracy"], np.nanmean(recall))
    close(whole["ap"], np.nanmean(ranks[0]))
    close(whole["auc"], np.nanmean(ranks[1]) if images > 1 and len(set(targets)) > 1 else np.nan)
    close(whole["ece"], expected_calibration_error(probabilities.max(1), said == targets))
    shown = found.arrays["reliability"]
    close((shown[:, 0] * np.nan_to_num(np.abs(shown[:, 1] - shown[:, 2]))).sum() / shown[:, 0].sum(), whole["ece"])


def test_curves_are_those_of_scikit_learn():
    random = np.random.default_rng(3)
    probabilities, targets = softmax(random, 2000), random.integers(0, 3, 2000)
    found = evaluated("classification", probabilities, targets)
    for place in range(3):
        false, true, _ = metrics.roc_curve(targets == place, probabilities[:, place], drop_intermediate=False)
        drawn = found.arrays["roc"][place]
        assert {tuple(point) for point in np.round(drawn.T[~np.isnan(drawn[0])], 5)} <= {tuple(p) for p in np.round(np.float32([false, true]).T, 5)}
        assert metrics.auc(*drawn[:, ~np.isnan(drawn[0])]) == pytest.approx(of_classes(found)["auc"][place], abs=0.01)
        precision, recall, _ = metrics.precision_recall_curve(targets == place, probabilities[:, place])
        drawn = found.arrays["pr"][place]
        known = {tuple(p) for p in np.round(np.float32([recall, precision]).T, 4)}
        assert {tuple(point) for point in np.round(drawn.T[~np.isnan(drawn[0])], 4)} <= known
    assert np.isnan(found.arrays["roc"][3]).all(), "a class that no image has, has no curve"


def test_a_cell_knows_its_images():
    probabilities = np.eye(4, dtype=np.float32)[[1, 0, 1, 1]]
    found = evaluated("classification", probabilities, np.array([0, 0, 0, 1]))
    assert found.cells.images(0, 1)[0].tolist() == [0, 2]
    assert found.cells.images(2, 2)[0].tolist() == []


# -- multi-label


@pytest.mark.parametrize(("images", "seed"), [(1, 0), (70, 1), (70, 2)])
def test_multi_label(images, seed):
    random = np.random.default_rng(seed)
    probabilities, targets = random.random((images, 4)).astype(np.float32), (random.random((images, 4)) < 0.4).astype(np.uint8)
    targets[:, 3], probabilities[:, 3] = 0, 0.1  # never there, never said
    targets[:, 2] = 1
    probabilities[0, 0] = 0.5
    found, said = evaluated("multi_label", probabilities, targets), (probabilities >= 0.5).astype(int)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(targets, said, zero_division=np.nan)
    table, ranks = of_classes(found), ranked(probabilities, targets.astype(bool))
    for name, expected in {"precision": precision, "recall": recall, "f1": f1, "support": support, "ap": ranks[0], "auc": ranks[1]}.items():
        close(table[name], expected)
    whole = values(found)
    close(whole["f1"], f1[support > 0].mean() if support.any() else np.nan)  # without the class that no image has
    close(whole["map"], np.nanmean(ranks[0]))
    close(whole["exact"], (targets == said).all(1).mean())
    close(whole["auc"], np.nanmean(ranks[1]) if np.isfinite(ranks[1]).any() else np.nan)
    close(whole["ece"], expected_calibration_error(probabilities.ravel(), targets.ravel()))
    counts = metrics.multilabel_confusion_matrix(targets, said)  # per class ((absent, made up), (missed, found))
    np.testing.assert_array_equal(found.cells.matrix(), [[c[1, 1], c[1, 0], c[0, 1], c[0, 0]] for c in counts])


@pytest.mark.parametrize("there", [(0, 1, 2), (1,), ()])
def test_the_curve_of_several_labels_agrees_with_the_evaluation(there):
    """A class that no image has is left out of the mean of both."""
    import torch

    random = np.random.default_rng(0)
    logits, targets = random.normal(size=(40, 4)).astype(np.float32), np.zeros((40, 4), np.uint8)
    targets[:, there] = random.random((40, len(there))) < 0.4
    measurement = TASK_KINDS.load("multi_label")(
        Task("task", "multi_label", "task", CLASSES), TASK_KINDS.load("multi_label").Options(), {"image_shape": (3, 8, 8), "targets": {}}
    ).measurement()
    for rows in np.array_split(np.arange(40), 3):
        measurement.update(torch.from_numpy(logits[rows]), torch.from_numpy(targets[rows]))
    probabilities = torch.from_numpy(logits).sigmoid().numpy()
    precision = [metrics.average_precision_score(targets[:, k], probabilities[:, k]) for k in there]
    close(measurement.compute()["map"], np.mean(precision) if there else np.nan)
    close(values(evaluated("multi_label", probabilities, targets))["map"], np.mean(precision) if there else np.nan)


# -- regression and depth


@pytest.mark.parametrize("images", [1, 2, 500])
def test_regression(images):
    random = np.random.default_rng(images)
    targets = (1000 + random.normal(size=images)).astype(np.float32)
    predictions = targets + random.normal(size=images).astype(np.float32)
    found = values(evaluated("regression", predictions, targets))
    close(found["mae"], metrics.mean_absolute_error(targets, predictions))
    close(found["rmse"], metrics.root_mean_squared_error(targets.astype(float), predictions.astype(float)))
    close(found["r2"], metrics.r2_score(targets.astype(float), predictions.astype(float)) if images > 1 else np.nan)
    close(found["median_error"], metrics.median_absolute_error(targets, predictions))


@pytest.mark.parametrize("seed", [0, 1])
def test_depth(seed):
    random = np.random.default_rng(seed)
    targets = random.uniform(0.5, 8, (7, 9, 6)).astype(np.float32)
    predictions = targets * random.uniform(0.6, 1.8, targets.shape).astype(np.float32)
    targets[random.random(targets.shape) < 0.3] = np.nan
    targets[0, 0, 0], targets[3] = 0.0, np.nan  # no ratio to a depth of 0; an image without a measurement
    predictions[1, 1, 1] = -2.0
    findings = evaluated("depth", predictions, targets, value_range=(0.0, 8.0))
    found, known = values(findings), np.isfinite(targets)
    said, true = predictions[known].astype(float), targets[known].astype(float)
    close(found["mae"], metrics.mean_absolute_error(true, said))
    close(found["rmse"], metrics.root_mean_squared_error(true, said))
    close(found["r2"], metrics.r2_score(true, said))
    said, true = said[true > 0], true[true > 0]
    close(found["abs_rel"], metrics.mean_absolute_percentage_error(true, said))
    factor = np.where(said > 0, np.maximum(said / true, true / np.where(said > 0, said, 1)), np.inf)
    for power in (1, 2, 3):
        close(found[f"delta{power}"], (factor < 1.25**power).mean())
    stretches = findings.arrays["by_depth"]
    assert stretches[:, 1].sum() == known.sum()
    close(np.nansum(stretches[:, 1] * stretches[:, 2]) / known.sum(), found["mae"])


def test_normals():
    random = np.random.default_rng(0)
    targets = random.normal(size=(5, 3, 6, 7)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    predictions = targets + random.normal(size=targets.shape).astype(np.float32) * 0.3
    targets[2], targets[0, :, 0, 0] = 0, np.nan
    found = values(evaluated("normals", predictions, targets))
    known = np.square(np.nan_to_num(targets)).sum(1) > 0.5
    pairs = zip(np.moveaxis(predictions, 1, -1)[known].astype(float), np.moveaxis(targets, 1, -1)[known].astype(float), strict=True)
    angles = np.array([np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other)) for one, other in pairs])
    close(found["mean"], angles.mean())
    assert found["median"] == pytest.approx(np.median(angles), abs=0.1), "exact to 1/100 of a degree and one pixel"
    close([found[f"within_{limit}"] for limit in (11, 22, 30)], [(angles < limit).mean() for limit in (11.25, 22.5, 30)])


# -- segmentation


@pytest.mark.parametrize("seed", [0, 1])
def test_segmentation(seed):
    random = np.random.default_rng(seed)
    targets, predictions = (random.integers(0, most, (8, 11, 7)).astype(np.uint8) for most in (2, 3))  # the last class: neither there nor said
    targets[random.random(targets.shape) < 0.2] = IGNORE
    targets[4] = IGNORE
    findings = evaluated("segmentation", predictions, targets)
    counted = targets != IGNORE
    true, said = targets[counted], predictions[counted]
    iou = [metrics.jaccard_score(true, said, labels=[k], average="macro") if k < 3 else np.nan for k in range(4)]
    dice = metrics.f1_score(true, said, labels=range(4), average=None, zero_division=np.nan)
    close(of_classes(findings)["iou"], iou)
    close(of_classes(findings)["dice"], dice)
    close([values(findings)[name] for name in ("miou", "dice", "pixel_accuracy")], [np.nanmean(iou), np.nanmean(dice), (true == said).mean()])
    np.testing.assert_array_equal(findings.cells.matrix(), metrics.confusion_matrix(true, said, labels=range(4)))
    rows, pixels = findings.cells.images(1, 0)
    assert 4 not in rows
    assert pixels[0] == max(((targets[row] == 1) & (predictions[row] == 0)).sum() for row in range(8))


NOTHING = {
    "classification": (np.zeros((0, 4), np.float32), np.zeros(0, np.int64)),
    "multi_label": (np.zeros((0, 4), np.float32), np.zeros((0, 4), np.uint8)),
    "regression": (np.zeros(0, np.float32), np.zeros(0, np.float32)),
    "segmentation": (np.zeros((0, 3, 3), np.uint8), np.zeros((0, 3, 3), np.uint8)),
    "depth": (np.zeros((0, 3, 3), np.float32), np.zeros((0, 3, 3), np.float32)),
    "detection": (np.zeros((0, 2, 6), np.float32), np.zeros((0, 2, 5), np.float32)),
    "keypoints": (np.zeros((0, 4, 3), np.float32), np.zeros((0, 4, 3), np.float32)),
    "normals": (np.zeros((0, 3, 3, 3), np.float16), np.zeros((0, 3, 3, 3), np.float16)),
}


# -- nothing to measure


@pytest.mark.parametrize("kind", [kind for kind in TASK_KINDS if kind not in SELF_SUPERVISED])
def test_no_labelled_image(kind):
    found = evaluated(kind, *NOTHING[kind])
    assert np.isnan(list(values(found).values())).all()
    for metric, numbers in found.class_values:
        assert (numbers == 0).all() if metric.name == "support" else np.isnan(numbers).all(), metric.name


@pytest.mark.parametrize(
    ("kind", "nothing"), [("segmentation", np.full((5, 3, 3), IGNORE, np.uint8)), ("depth", np.full((5, 3, 3), np.nan, np.float32))]
)
def test_everything_ignored(kind, nothing):
    found = evaluated(kind, np.ones(nothing.shape, nothing.dtype), nothing)
    assert np.isnan(list(values(found).values())).all()


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_directions_are_those_of_the_kind(kind):
    """What the curves call ``iou`` must be the same thing here."""
    own = {metric.name: metric for metric in TASK_KINDS.load(kind).metrics}
    found = {metric.name: metric for metric, _ in evaluated(kind, *NOTHING[kind]).values}
    for name, metric in own.items():
        assert (found[name].title, found[name].higher_is_better) == (metric.title, metric.higher_is_better)
