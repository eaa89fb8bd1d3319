import numpy as np
import pytest

from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.statistics import measure


def dataset(images, labelled=None, **targets):
    flags = {name: np.ones(len(images), bool) for name in targets} | {name: np.array(flag) for name, flag in (labelled or {}).items()}
    return MultiTaskDataset(images, targets, flags)


def test_image_mean_and_std_per_channel():
    images = np.zeros((2, 3, 1, 2), np.uint8)
    images[:, 0] = 255
    images[1, 1] = 255
    images[0, 2, 0, 0] = 51
    statistics = measure(dataset(images), ())
    assert statistics["mean"] == pytest.approx([1.0, 0.5, 0.05])
    assert statistics["std"] == pytest.approx([0.0, 0.5, 0.05 * 3**0.5])
    assert statistics["image_shape"] == [3, 1, 2]


def test_worked_values_of_every_kind():
    data = dataset(
        np.zeros((3, 1, 1, 2), np.uint8),
        labelled={"digit": [True, True, False], "none": [False] * 3, "angle": [True, False, True]},
        digit=np.array([1, 1, 2]),
        present=np.array([[1, 0], [1, 1], [0, 0]], np.uint8),
        angle=np.array([1, 1000, 3], np.float32),
        none=np.array([7, 7, 7], np.float32),
        pixels=np.array([[[0, 1]], [[1, 255]], [[1, 1]]], np.uint8),
        depth=np.array([[[1, np.nan]], [[3, 3]], [[np.nan, 5]]], np.float32),
        boxes=np.array([[[0, 0, 1, 1, 2], [0, 0, 0, 0, -1]], [[0, 0, 1, 1, 0], [0, 0, 1, 1, 2]], [[0, 0, 0, 0, -1]] * 2], np.float32),
    )
    classes = ("a", "b", "c")
    tasks = (
        Task("digit", "classification", "digit", classes),
        Task("present", "multi_label", "present", classes[:2]),
        Task("angle", "regression", "angle", unit="degrees"),
        Task("none", "regression", "none", unit="degrees"),
        Task("pixels", "segmentation", "pixels", classes[:2]),
        Task("depth", "depth", "depth", unit="m"),
        Task("boxes", "detection", "boxes", classes),
    )
    assert measure(data, tasks)["targets"] == {
        "digit": {"class_counts": [0, 2, 0]},
        "present": {"class_counts": [2, 1]},
        "angle": {"mean": 2.0, "std": 1.0},
        "none": {"mean": 0.0, "std": 1.0},
        "pixels": {"class_counts": [1, 4]},
        "depth": {"mean": 3.0, "std": pytest.approx(2**0.5)},
        "boxes": {"class_counts": [1, 0, 2]},
    }
