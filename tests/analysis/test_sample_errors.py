"""Errors of single images: worked values, and the cases in which there is nothing to be right about."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import jaccard_score
from torchvision.ops import box_iou as torchvision_iou

from mtl_core.analysis.box_matching import box_iou, match_boxes
from mtl_core.analysis.sample_errors import per_sample_errors, worst_first
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS

SUPERVISED = [kind for kind in TASK_KINDS if kind not in SELF_SUPERVISED]


def boxes(*rows, padding=0, columns=5):
    return np.array([*rows, *[[0, 0, 0, 0, -1, 0][:columns]] * padding], dtype=np.float32).reshape(-1, columns)


def test_every_kind_has_its_error():
    assert all("sample_errors" in vars(TASK_KINDS.load(kind)) for kind in SUPERVISED)
    assert per_sample_errors("a kind from elsewhere", np.zeros(2), np.zeros(2)) is None


def test_classification():
    found = per_sample_errors("classification", np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), np.array([0, 1]))
    np.testing.assert_allclose(found.values, [0.1, 0.8], atol=1e-6)
    assert found.mistakes.tolist() == [False, True]


def test_multi_label():
    found = per_sample_errors("multi_label", np.array([[0.9, 0.2], [0.5, 0.4]], np.float32), np.array([[1, 0], [0, 1]], np.uint8))
    np.testing.assert_allclose(found.values, [0.15, 0.55], atol=1e-6)
    assert found.mistakes.tolist() == [False, True]


def test_regression_and_unlabelled_images():
    found = per_sample_errors(
        "regression", np.array([1.0, 5.0, 2.0], np.float32), np.array([3.0, 99.0, 1.5], np.float32), np.array([True, False, True])
    )
    np.testing.assert_array_equal(found.values, np.array([2.0, np.nan, 0.5], np.float32))
    assert found.mistakes is None
    assert found.unit == "unit"


def test_segmentation_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    predicted, target = random.integers(0, 4, (6, 9, 7)).astype(np.uint8), random.integers(0, 3, (6, 9, 7)).astype(np.uint8)
    target[random.random(target.shape) < 0.2] = 255
    target[5] = 255
    found = per_sample_errors("segmentation", predicted, target).values
    for row in range(5):
        counted = target[row] != 255
        expected = 1 - jaccard_score(target[row][counted], predicted[row][counted], average="macro")
        assert found[row] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(found[5])


def test_depth_skips_what_was_not_measured():
    target = np.array([[[1.0, np.nan]], [[np.nan, np.nan]]], np.float32)
    found = per_sample_errors("depth", np.array([[[3.0, 9.0]], [[1.0, 1.0]]], np.float32), target).values
    np.testing.assert_array_equal(found, np.array([2.0, np.nan], np.float32))


def test_normals():
    target = np.zeros((2, 3, 1, 3), np.float16)
    target[0, 2, 0, :2] = 1  # the third pixel and the second image have none
    predicted = np.zeros((2, 3, 1, 3), np.float16)
    predicted[:, 0, 0, 0] = predicted[:, 2, 0, 1:] = 1
    found = per_sample_errors("normals", predicted, target).values
    assert found[0] == pytest.approx(45)
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("predicted", "target", "error", "mistake"),
    [
        (boxes(columns=6), boxes(), 0.0, False),
        (boxes([0, 0, 10, 10, 1, 0.9], columns=6), boxes([0, 0, 10, 10, 1], padding=2), 0.0, False),
        (boxes([0, 0, 10, 10, 1, 0.2], columns=6), boxes(padding=1), 0.0, False),  # too weak to be shown
        (boxes(columns=6, padding=1), boxes([0, 0, 10, 10, 1]), 1.0, True),
        (boxes([0, 0, 10, 10, 2, 0.9], columns=6), boxes([0, 0, 10, 10, 1]), 1.0, True),  # wrong class
        (boxes([0, 0, 10, 8, 1, 0.9], columns=6), boxes([0, 0, 10, 10, 1]), 0.2, False),  # placed a little off
        (boxes([0, 0, 10, 10, 1, 0.9], [20, 20, 30, 30, 1, 0.9], columns=6), boxes([0, 0, 10, 10, 1]), 1 / 3, True),  # one made up
    ],
)
def test_detection(predicted, target, error, mistake):
    found = per_sample_errors("detection", predicted[None], target[None])
    assert found.values[0] == pytest.approx(error, abs=1e-6)
    assert found.mistakes.tolist() == [mistake]


@pytest.mark.parametrize("kind", SUPERVISED)
def test_no_image_gives_no_error(kind):
    empty = {
        "classification": (np.zeros((0, 3)), np.zeros(0, int)),
        "multi_label": (np.zeros((0, 3)), np.zeros((0, 3))),
        "detection": (np.zeros((0, 4, 6)), np.zeros((0, 2, 5))),
        "segmentation": (np.zeros((0, 2, 2), np.uint8),) * 2,
        "depth": (np.zeros((0, 2, 2)),) * 2,
        "regression": (np.zeros(0),) * 2,
        "normals": (np.zeros((0, 3, 2, 2)),) * 2,
        "keypoints": (np.zeros((0, 4, 3)),) * 2,
    }[kind]
    assert per_sample_errors(kind, *empty).values.shape == (0,)


def test_boxes_overlap_as_in_torchvision_and_match_once():
    import torch

    random = np.random.default_rng(1)
    corners = random.uniform(0, 20, (2, 9, 2))
    one, other = (np.concatenate([corner, corner + random.uniform(1, 15, (9, 2))], 1) for corner in corners)
    np.testing.assert_allclose(box_iou(one, other), torchvision_iou(torch.from_numpy(one), torch.from_numpy(other)).numpy(), atol=1e-12)
    matches = match_boxes(one, other, 0.2)
    assert len(set(matches.predicted)) == len(matches.predicted) == len(set(matches.target))
    assert sorted([*matches.predicted, *matches.false_alarms]) == list(range(9)) == sorted([*matches.target, *matches.missed])
    assert (np.diff(matches.iou) <= 0).all()
    left = box_iou(one[matches.false_alarms], other[matches.missed])
    assert not (left >= 0.2).any(), "what is left over could not have been paired"


def test_worst_first_leaves_out_what_has_no_error():
    assert worst_first(np.array([0.2, np.nan, 0.9, 0.2])).tolist() == [2, 0, 3]


def test_torch_is_not_needed():
    code = "import sys, mtl_core.analysis.sample_errors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
