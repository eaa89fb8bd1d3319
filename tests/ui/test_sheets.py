import numpy as np

from mtl_core.data.dataset import PADDING, Task
from mtl_core.tasks.detection import FEW_NAMES
from ui.drawing.contact_sheets import for_thumbnails

CELLS = Task("cells", "detection", "cells", ("RBC", "background", "WBC"))


def test_many_boxes_have_no_names_in_a_thumbnail():
    few, many, padded = np.zeros((FEW_NAMES, 5)), np.zeros((FEW_NAMES + 1, 5)), np.full((20, 5), PADDING)
    assert for_thumbnails(CELLS, few) is CELLS
    assert for_thumbnails(CELLS, padded) is CELLS
    assert for_thumbnails(CELLS, many).classes == ("", "background", "")  # which keeps the colours


def test_predicted_boxes_count_where_they_are_drawn():
    boxes = np.zeros((FEW_NAMES + 1, 6))
    boxes[:, 5] = 0.9
    assert for_thumbnails(CELLS, boxes).classes[0] == ""
    boxes[0, 5] = 0.1
    assert for_thumbnails(CELLS, boxes) is CELLS


def test_other_kinds_stay_as_they_are():
    task = Task("digit", "classification", "digit", ("0", "1"))
    assert for_thumbnails(task, np.zeros(())) is task
