"""What the Data page says of small boxes, and where a set's files are."""

import numpy as np
import pytest

from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source
from ui.data.data_numbers import about_small_boxes
from ui.data.data_sets import DataSet, where_files_are


def test_the_smallest_side_counts():
    boxes = np.array([[20, 3], [10, 10], [9, 12]], dtype=np.float32)
    assert about_small_boxes(boxes, (64, 48)) == (
        "After resizing to 64 x 48 the smallest boxes are 3 pixels. 33% are narrower or lower than 4 pixels; "
        "larger images help a network to find them."
    )
    assert about_small_boxes(boxes[1:], (64, 48)) == "After resizing to 64 x 48 the smallest boxes are 9 pixels."
    assert about_small_boxes(np.zeros((0, 2)), (64, 48)) == ""


@pytest.mark.parametrize(("name", "megabytes"), [("mnist", 11), ("multi_mnist", 11), ("fashion_mnist", 30), ("cifar10", 170)])
def test_files_that_are_not_here_are_a_download_of_so_much(name, megabytes, tmp_path):
    part = {"name": name, "root": str(tmp_path)}
    assert where_files_are(DataSet(name, name, part, open_source(PartConfig(**part)))) == f"download of {megabytes} MB"
    part = {**part, "download": False}
    source = open_source(PartConfig(**part))
    assert source.to_fetch() is None
    assert where_files_are(DataSet(name, name, part, source, source.problems()[0][1])) == "missing"


@pytest.mark.parametrize("name", ["digits", "digit_scenes"])
def test_a_set_that_needs_no_file_is_here(name):
    part = {"name": name}
    assert where_files_are(DataSet(name, name, part, open_source(PartConfig(**part)))) == "on this disk"


def test_scenes_of_mnist_digits_need_its_files(tmp_path):
    source = open_source(PartConfig(name="digit_scenes", glyphs="mnist", root=str(tmp_path), download=True))
    assert source.to_fetch() == (tmp_path / "MNIST" / "raw", 11)
