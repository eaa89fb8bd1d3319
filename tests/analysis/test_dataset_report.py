"""What is counted of a data set, worked out by hand."""

import numpy as np
import pytest

from mtl_core.analysis.dataset_report import (
    class_presence,
    coverage_bands,
    dataset_report,
    find_rows,
    label_sets,
    labelled_matrix,
    warnings,
    with_targets,
)
from mtl_core.data.dataset import IGNORE, MultiTaskDataset, PreparedData, Task

KIND = Task("kind", "classification", "kind", ("cat", "dog", "fish"))
SEEN = Task("seen", "multi_label", "seen", ("cat", "dog"))
WHERE = Task("where", "detection", "where", ("cat", "dog"))
PIXELS = Task("pixels", "segmentation", "pixels", ("background", "cat"))
AGE = Task("age", "regression", "age", unit="years")
FAR = Task("far", "depth", "far", unit="m")
TASKS = {task.name: task for task in (KIND, SEEN, WHERE, PIXELS, AGE, FAR)}


def split(labelled_rows=(True, True, False), ages=(1.0, 3.0, 900.0)):
    """Three images of 2 x 4 pixels; what the last one's targets hold means nothing where it is not labelled."""
    boxes = np.full((3, 2, 5), -1, np.float32)
    boxes[0, 0], boxes[0, 1], boxes[1, 0], boxes[2, 0] = (0, 0, 2, 1, 0), (1, 0, 4, 2, 1), (0, 0, 1, 1, 1), (0, 0, 4, 2, 1)
    masks = np.zeros((3, 2, 4), np.uint8)
    masks[0, 0], masks[1, 1], masks[2] = (1, 1, 1, IGNORE), (0, 0, 0, IGNORE), 1
    depth = np.ones((3, 2, 4), np.float32)
    depth[0, 0, 0], depth[1], depth[2] = np.nan, 3.0, 70.0
    targets = {
        "kind": np.array([0, 0, 2]),
        "seen": np.array([[1, 1], [0, 1], [1, 0]], np.uint8),
        "where": boxes,
        "pixels": masks,
        "age": np.array(ages, np.float32),
        "far": depth,
    }
    return MultiTaskDataset(np.zeros((3, 1, 2, 4), np.uint8), targets, {name: np.array(labelled_rows) for name in targets})


@pytest.fixture
def data():
    return PreparedData(split(), split(ages=(2.0, 5.0, 900.0)), split((False, False, False)), TASKS, {})


def test_images_without_a_target_count_for_nothing(data):
    report = dataset_report(data)
    assert report.sizes == {"train": 3, "val": 3, "test": 3}
    for name, counts in report.counts.items():
        assert (counts["train"].labelled, counts["train"].images) == (2, 3), name
        assert counts["train"].coverage == 2 / 3
        assert (counts["test"].labelled, counts["test"].coverage) == (0, 0), name


def test_classes_are_counted_in_images_boxes_and_pixels(data):
    train = {name: counts["train"] for name, counts in dataset_report(data).counts.items()}
    assert train["kind"].images_per_class.tolist() == [2, 0, 0]
    assert train["seen"].images_per_class.tolist() == [1, 2]
    assert train["where"].images_per_class.tolist() == [1, 2]
    assert train["where"].amount_per_class.tolist() == [1, 2]
    assert train["where"].boxes_per_image.tolist() == [2, 1]
    assert train["where"].boxes.tolist() == [[2, 1], [3, 2], [1, 1]]
    assert train["pixels"].images_per_class.tolist() == [2, 1]
    assert train["pixels"].amount_per_class.tolist() == [11, 3]
    assert train["pixels"].unknown == 2
    assert len(train["age"].images_per_class) == 0


def test_values_share_their_bins_between_splits(data):
    counts = dataset_report(data).counts["age"]
    train, val = counts["train"].values, counts["val"].values
    assert train.edges.tolist() == val.edges.tolist()
    assert train.edges.tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]  # whole numbers have a bin each
    assert (train.low, train.mean, train.high) == (1, 2, 3)
    assert (val.low, val.mean, val.high) == (2, 3.5, 5)
    assert train.counts.sum() == val.counts.sum() == 2
    assert counts["test"].values.counts.sum() == 0
    assert np.isnan(counts["test"].values.mean)


def test_pixels_without_a_measurement_are_not_values(data):
    train = dataset_report(data).counts["far"]["train"]
    assert (train.values.counts.sum(), train.unknown) == (15, 1)
    assert (train.values.low, train.values.high, train.values.mean) == (1, 3, (7 * 1 + 8 * 3) / 15)


def test_one_value_alone_has_a_bin():
    same = split(ages=(4.0, 4.0, 4.0))
    values = dataset_report(PreparedData(same, same, same, {"age": AGE}, {})).counts["age"]["train"].values
    assert values.counts.sum() == 2
    assert values.edges[0] < 4 < values.edges[-1]


def test_a_task_that_makes_its_own_targets_is_left_out(data):
    tasks = {**TASKS, "turned": Task("turned", "rotation", "image")}
    assert list(with_targets(PreparedData(data.train, data.val, data.test, tasks, {}))) == list(TASKS)


def test_presence_is_false_where_there_is_no_target(data):
    for task in (KIND, SEEN, WHERE, PIXELS):
        present = class_presence(task, data.train.targets[task.target], data.train.labelled[task.target])
        assert not present[2].any(), task.name
    assert class_presence(WHERE, data.train.targets["where"], np.ones(3, bool)).tolist() == [[True, True], [False, True], [False, True]]
    assert class_presence(AGE, data.train.targets["age"], np.ones(3, bool)).shape == (3, 0)


def test_counting_in_pieces_changes_nothing(data, monkeypatch):
    whole = dataset_report(data)
    monkeypatch.setattr("mtl_core.tasks.contents._CHUNK", 1)
    pieces = dataset_report(data)
    for name in TASKS:
        one, other = whole.counts[name]["train"], pieces.counts[name]["train"]
        for field in ("images_per_class", "amount_per_class", "boxes", "boxes_per_image", "unknown"):
            assert np.array_equal(getattr(one, field), getattr(other, field)), (name, field)
        if one.values:
            assert one.values.counts.tolist() == other.values.counts.tolist()


def test_bands_are_shares_of_neighbours():
    labelled = np.array([[1, 0], [1, 0], [0, 0], [1, 1], [1, 1], [1, 1]], bool)
    assert coverage_bands(labelled, 3).tolist() == [[1, 0], [0.5, 0.5], [1, 1]]
    assert coverage_bands(labelled, 100).tolist() == labelled.tolist()
    uneven = coverage_bands(labelled, 4)
    assert uneven.shape == (4, 2)
    assert ((uneven >= 0) & (uneven <= 1)).all()
    assert coverage_bands(np.zeros((0, 2), bool), 5).shape == (0, 2)


def test_label_sets_say_which_targets_come_together():
    labelled = np.array([[1, 1], [1, 0], [1, 1], [0, 0]], bool)
    assert label_sets(labelled, ["a", "b"]) == [(("a", "b"), 2), ((), 1), (("a",), 1)]


def test_rows_are_found_by_target_and_class(data):
    assert find_rows(data.train).tolist() == [0, 1, 2]
    assert find_rows(data.train, KIND, has_target=True).tolist() == [0, 1]
    assert find_rows(data.train, KIND, has_target=False).tolist() == [2]
    present = class_presence(WHERE, data.train.targets["where"], data.train.labelled["where"])
    assert find_rows(data.train, WHERE, presence=present[:, 0]).tolist() == [0]
    assert find_rows(data.train, WHERE, has_target=False, presence=present[:, 0]).tolist() == []


def test_what_stands_out_is_said(data):
    said = "\n".join(warnings(dataset_report(data)))
    assert "'kind': no training image has dog, fish" in said
    assert "'age' has no target in test" in said
    assert "background" not in said
    whole = split((True, True, True))
    assert warnings(dataset_report(PreparedData(whole, whole, whole, {"seen": SEEN}, {}))) == []


def test_a_rare_class_is_named():
    count = 41
    targets = {"kind": np.array([0] * 40 + [1])}
    many = MultiTaskDataset(np.zeros((count, 1, 2, 2), np.uint8), targets, {"kind": np.ones(count, bool)})
    kind = Task("kind", "classification", "kind", ("cat", "dog"))
    assert warnings(dataset_report(PreparedData(many, many, many, {"kind": kind}, {}))) == [
        "'kind': cat is on 40 times as many training images as dog."
    ]


def test_matrix_has_a_column_per_task(data):
    matrix, names = labelled_matrix(data.train, {"kind": KIND, "age": AGE})
    assert names == ["kind", "age"]
    assert matrix.tolist() == [[True, True], [True, True], [False, False]]
