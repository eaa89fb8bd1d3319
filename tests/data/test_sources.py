"""What holds for every data source in the table."""

import json

import numpy as np
import pytest

from mtl_core.config_sections import PartConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.dataset import IGNORE
from mtl_core.data.prepare import prepare
from mtl_core.tasks import TASK_KINDS, layout_of
from tests.data import published_sets

SMALL = {
    "digits": {"image_size": 16},
    "digit_scenes": {"train_size": 10, "val_size": 6, "test_size": 5},
    "mnist": {"val_size": 8, "download": False},
    "multi_mnist": {"val_size": 8, "download": False},
    "imported": {"set": "shapes"},
}


@pytest.fixture(params=list(DATA_SOURCES))
def source(request, write_mnist, monkeypatch, tmp_path, import_shapes):
    if request.param == "imported":
        import_shapes()
    monkeypatch.setenv("MTL_MNIST_ROOT", str(write_mnist()))
    options = dict(SMALL.get(request.param, {}))
    if request.param in published_sets.WRITERS:
        options |= published_sets.WRITERS[request.param](tmp_path / "published") | {"root": str(tmp_path / "published")}
    return open_source(PartConfig(name=request.param, **options))


def test_what_it_says_is_what_it_builds(source):
    assert source.problems() == []
    assert len({task.name for task in source.tasks()}) == len(source.tasks())
    json.dumps(source.cache_key())
    for split, size in source.split_sizes().items():
        told = []
        data = source.build(split, lambda share, what, told=told: told.append(share))
        assert data.images.shape == (size, *source.image_shape())
        assert told == sorted(told)
        assert told[-1] == 1
        for task in source.tasks():
            check_layout(task, data.targets[task.target], data.images.shape)


def check_layout(task, values, shape):
    count, _, height, width = shape
    layout = layout_of(task.kind, task, (height, width))  # of a kind that was added; of the others this test knows itself
    layouts = {
        "classification": (np.int64, (count,)),
        "multi_label": (np.uint8, (count, len(task.classes))),
        "regression": (np.float32, (count,)),
        "segmentation": (np.uint8, (count, height, width)),
        "depth": (np.float32, (count, height, width)),
        "normals": (np.float16, (count, 3, height, width)),
        "detection": (np.float32, (count, values.shape[1] if values.ndim > 1 else 0, 5)),
        "keypoints": (np.float32, (count, len(task.classes), 3)),
    }
    row = (values.shape[1], *layout.shape[1:]) if layout.is_list else layout.shape
    dtype, expected = layouts.get(task.kind) or (layout.dtype, (count, *row))
    assert (values.dtype, values.shape) == (dtype, expected), task.name
    if task.kind in ("classification", "segmentation"):
        assert ((values < len(task.classes)) | (values == IGNORE)).all()
    if task.kind in ("regression", "depth"):
        assert task.unit, f"{task.name} says no unit"
    elif task.kind == "segmentation" or TASK_KINDS.load(task.kind).needs_classes:
        assert task.classes, f"{task.name} names no classes"
    assert task.title


def test_every_option_is_described(source):
    for name, option in type(source).Options.model_fields.items():
        assert (option.description or "").endswith("."), name


def test_what_is_built_is_what_is_prepared(source, tmp_path):
    prepared = prepare(source, tmp_path / "data")
    for split in source.split_sizes():
        built = source.build(split, lambda share, what: None)
        assert np.array_equal(prepared.split(split).images, built.images)
        for name, values in built.targets.items():
            assert np.array_equal(prepared.split(split).targets[name], values, equal_nan=values.dtype.kind == "f"), name
