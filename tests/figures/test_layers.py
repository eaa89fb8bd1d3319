"""Layers give back exactly what was predicted, for images that are not square too."""

import base64
import zlib

import numpy as np
import pytest

from mtl_core.data.dataset import PADDING, Task
from mtl_core.figures.layers import packed, prediction_layer, target_layer
from mtl_core.figures.primitives import UNKNOWN

IMAGE = np.zeros((3, 5, 3), np.uint8)


def unpacked(text, dtype, shape):
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype).reshape(shape)


def test_packed_gives_rows_in_order():
    values = np.arange(15, dtype=np.uint8).reshape(3, 5)
    assert (unpacked(packed(values), np.uint8, (3, 5)) == values).all()
    assert (unpacked(packed(values.T), np.uint8, (5, 3)) == values.T).all()


def test_a_mask_keeps_its_pixels():
    mask = np.array([[0, 1, 2, 255, 1]] * 3, np.uint8)
    task = Task("m", "segmentation", "m", ("background", "a", "b"))
    for layer in (target_layer(task, IMAGE, mask), prediction_layer(task, IMAGE, mask)):
        assert (unpacked(layer["mask"], np.uint8, (3, 5)) == mask).all()


def test_depth_keeps_its_values_and_what_is_unknown():
    depth = np.linspace(0.5, 9.25, 15).reshape(3, 5).astype(np.float32)
    depth[1, 2] = np.nan
    layer = target_layer(Task("d", "depth", "d", unit="m"), IMAGE, depth)
    steps = unpacked(layer["heat"], "<u2", (3, 5))
    assert steps[1, 2] == UNKNOWN
    back = layer["low"] + steps * (layer["high"] - layer["low"]) / (UNKNOWN - 1)
    known = np.isfinite(depth)
    assert np.abs(back[known] - depth[known]).max() < 1e-4


def test_depth_without_any_measurement_is_unknown_everywhere():
    layer = target_layer(Task("d", "depth", "d"), IMAGE, np.full((3, 5), np.nan, np.float32))
    assert (unpacked(layer["heat"], "<u2", (3, 5)) == UNKNOWN).all()


def test_boxes_leave_out_padding_and_prefer_candidates():
    task = Task("b", "detection", "b", ("a", "b"))
    kept = np.array([[1, 1, 4, 3, 1, 0.9], [0, 0, 0, 0, PADDING, 0]])
    candidates = np.array([[1, 1, 4, 3, 1, 0.9], [1, 1, 4, 2, 1, 0.8], [0, 0, 0, 0, PADDING, 0]])
    assert target_layer(task, IMAGE, kept[:, :5])["boxes"] == [[1, 1, 4, 3, 1, 1.0]]
    assert prediction_layer(task, IMAGE, kept) == {"type": "boxes", "boxes": [[1, 1, 4, 3, 1, 0.9]], "raw": False}
    assert prediction_layer(task, IMAGE, kept, candidates) == {"type": "boxes", "boxes": [[1, 1, 4, 3, 1, 0.9], [1, 1, 4, 2, 1, 0.8]], "raw": True}


@pytest.mark.parametrize(("kind", "target", "expected"), [("classification", 1, [0.0, 1.0]), ("multi_label", np.array([1, 1]), [1.0, 1.0])])
def test_classes_become_probabilities(kind, target, expected):
    assert target_layer(Task("c", kind, "c", ("a", "b")), IMAGE, np.asarray(target))["p"] == expected


def test_a_number_that_is_none_is_null():
    assert target_layer(Task("r", "regression", "r"), IMAGE, np.float32("nan")) == {"type": "number", "v": None}
