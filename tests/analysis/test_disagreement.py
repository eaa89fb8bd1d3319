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
    assert {name: values.tolist() for name, values in checks.items()} == {"boxes: a box without its pixels in mask": [1.0]}
    assert disagreements({"boxes": tasks["boxes"]}, predictions, {}, {}) == {}
