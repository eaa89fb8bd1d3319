import numpy as np

from mtl_core.analysis.disagreement import boxes_without_mask, count_off, counts_boxes, disagreements, edges_off
from mtl_core.data.dataset import PADDING, Task


def boxes(*rows):
    return np.array([[*row] for row in rows], dtype=np.float32)[None]


def test_a_box_without_pixels_of_its_class_counts_and_weak_ones_do_not():
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[0, 0:4, 0:4] = 1
    found = boxes([0, 0, 4, 4, 0, 0.9], [4, 4, 8, 8, 0, 0.9], [4, 0, 8, 4, 0, 0.1], [0, 0, 0, 0, PADDING, 0])
    assert boxes_without_mask(found, ("cat",), mask, ("background", "cat")).tolist() == [0.5]
    none = boxes([0, 0, 0, 0, PADDING, 0])
    assert np.isnan(boxes_without_mask(none, ("cat",), mask, ("background", "cat"))).all()


def test_counted_boxes_against_a_regressed_number():
    two = boxes([0, 0, 1, 1, 0, 0.9], [2, 2, 3, 3, 0, 0.4])
    assert count_off(two, np.array([2.4])).tolist() == [0.0]
    assert np.allclose(count_off(two, np.array([2.75])), 0.75)
    assert count_off(two, np.array([5.0])).tolist() == [1.0]


def test_only_a_number_whose_targets_are_the_boxes_count_counts_them():
    targets = {"n": np.array([1.0, 9.0]), "b": np.array([[[0, 0, 1, 1, 0]], [[0, 0, 1, 1, 0]]], dtype=float)}
    both = {"n": np.array([True, False]), "b": np.array([True, True])}
    assert counts_boxes("n", "b", targets, both)
    assert not counts_boxes("n", "b", targets, {**both, "n": np.array([True, True])})


def test_depth_edges_near_segment_edges_agree():
    depth = np.ones((1, 12, 12), np.float32)
    depth[:, :, 6:] = 3.0
    mask = np.zeros((1, 12, 12), np.uint8)
    mask[:, :, 7:] = 1
    assert edges_off(depth, mask, 4.0).tolist() == [0.0]
    mask = np.zeros((1, 12, 12), np.uint8)
    mask[:, :, 1:] = 1
    assert edges_off(depth, mask, 4.0).tolist() == [1.0]
    assert np.isnan(edges_off(np.ones((1, 12, 12)), mask, 4.0)).all()


def test_checks_name_their_tasks_and_only_those_that_fit_are_made():
    tasks = {"boxes": Task("boxes", "detection", "b", ("cat",)), "mask": Task("mask", "segmentation", "m", ("background", "cat"))}
    predictions = {"boxes": boxes([0, 0, 4, 4, 0, 0.9]), "mask": np.zeros((1, 8, 8), np.uint8)}
    checks = disagreements(tasks, predictions, {}, {})
    assert {name: check.values.tolist() for name, check in checks.items()} == {"boxes: a box without its pixels in mask": [1.0]}
    assert disagreements({"boxes": tasks["boxes"]}, predictions, {}, {}) == {}


def test_each_check_says_what_contradicts_what_with_the_numbers():
    tasks = {
        "boxes": Task("boxes", "detection", "b", ("cat", "dog")),
        "count": Task("count", "regression", "n"),
        "mask": Task("mask", "segmentation", "m", ("background", "cat", "dog")),
        "depth": Task("depth", "depth", "d", value_range=(0.0, 4.0)),
    }
    depth = np.ones((2, 12, 12), np.float32)
    depth[:, :, 6:] = 3.0
    rows = np.zeros((2, 4, 6), np.float32)
    rows[..., 4] = PADDING
    rows[0, :3] = [[0, 0, 4, 4, 0, 0.9], [2, 2, 6, 6, 1, 0.5], [6, 6, 9, 9, 1, 0.4]]
    rows[1, 0] = [0, 0, 4, 4, 0, 0.9]
    mask = np.zeros((2, 12, 12), np.uint8)
    mask[1, 0:4, 0:4] = 1
    predictions = {"boxes": rows, "mask": mask, "count": np.array([0.98, 2.0]), "depth": depth}
    targets = {"b": None, "boxes": np.zeros((1, 1, 5)), "count": np.array([1.0])}
    checks = disagreements(tasks, predictions, targets, {"boxes": np.array([True]), "count": np.array([True])})
    assert [[check.say(row) for row in range(2)] for check in checks.values()] == [
        [
            "boxes: cat (0.90) without pixels of cat in mask; boxes: dog (0.50) without pixels of dog in mask; and 1 more",
            "",
        ],
        ["boxes finds 3, but count says 0.98", "boxes finds 1, but count says 2"],
        ["100% of the edges of depth lie off the edges of mask", "50% of the edges of depth lie off the edges of mask"],
    ]
