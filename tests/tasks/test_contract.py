"""What every registered task kind promises, on what every backbone that fits it gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mtl_core.backbones import BACKBONES
from mtl_core.config_sections import PartConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.dataset import Task
from mtl_core.tasks import SELF_SUPERVISED, TASK_KINDS
from tests.tasks.given_features import SIZE, backbone_of, features_of

CLASSES = ("a", "b", "c")
SUPERVISED = [name for name in TASK_KINDS if name not in SELF_SUPERVISED]  # for the others see test_self_supervised.py
STATISTICS = {"image_shape": (3, SIZE, SIZE), "targets": {"t": {"mean": 2.0, "std": 0.5, "class_counts": [3, 2, 1]}}}


def kind_of(name: str):
    kind_class = TASK_KINDS.load(name)
    return kind_class(Task("t", name, "t", CLASSES, unit="m"), kind_class.Options(), STATISTICS)


def targets_of(name: str, count: int) -> torch.Tensor:
    kind = kind_of(name)
    return torch.from_numpy(type(kind).examples(kind.task, (SIZE, SIZE), count, np.random.default_rng(0)))


def pairs():
    return [
        (kind, backbone) for kind in SUPERVISED for backbone in BACKBONES if BACKBONES.load(backbone).gives_map or not TASK_KINDS.load(kind).needs_map
    ]


@pytest.mark.parametrize(("kind_name", "backbone_name"), pairs())
def test_loss_is_a_finite_scalar_and_reaches_every_parameter(kind_name, backbone_name):
    """Of the head, and the features that the backbone gave."""
    torch.manual_seed(0)
    kind, levels = kind_of(kind_name), features_of(backbone_name, 4)
    head = kind.build_head(backbone_of(backbone_name, "meta").features)
    loss = kind.loss(head(levels), targets_of(kind_name, 4))
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert torch.isfinite(loss)
    loss.backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    assert any(level.grad is not None and level.grad.any() for level in levels)


@pytest.mark.parametrize("name", SUPERVISED)
def test_its_examples_are_laid_out_as_it_says(name):
    kind = kind_of(name)
    layout, targets = type(kind).layout(kind.task, (SIZE, SIZE)), targets_of(name, 4).numpy()
    assert targets.dtype == layout.dtype
    assert len(targets) == 4
    if layout.is_list:
        assert targets.shape[2:] == layout.shape[1:]
    else:
        assert targets.shape[1:] == layout.shape
    assert np.array_equal(layout.stacked([*targets]), targets, equal_nan=targets.dtype.kind == "f")


@pytest.mark.parametrize("name", SUPERVISED)
def test_selecting_rows_equals_computing_them_alone(name):
    torch.manual_seed(0)
    kind, backbone = kind_of(name), backbone_of("small_cnn").eval()
    head = kind.build_head(backbone.features).eval()
    images, targets, rows = torch.randn(4, 3, SIZE, SIZE), targets_of(name, 4), torch.tensor([0, 2])
    with torch.no_grad():
        selected = kind.loss(kind.select(head(backbone(images)), rows), targets[rows])
        alone = kind.loss(head(backbone(images[rows])), targets[rows])
    torch.testing.assert_close(selected, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SUPERVISED)
def test_metrics_are_those_declared_and_decoding_keeps_the_count(name):
    torch.manual_seed(0)
    kind, backbone = kind_of(name), backbone_of("small_cnn").eval()
    with torch.no_grad():
        output = kind.build_head(backbone.features).eval()(backbone(torch.randn(5, 3, SIZE, SIZE)))
    measurement = kind.measurement()
    measurement.update(output, targets_of(name, 5))
    values = measurement.compute()
    assert set(values) == {metric.name for metric in kind.metrics}
    assert all(isinstance(value, float) for value in values.values())
    selection = next(metric for metric in kind.metrics if metric.name == kind.selection_metric)
    assert selection.higher_is_better
    assert values[selection.name] <= 1
    prediction = kind.decode(output)
    assert isinstance(prediction, np.ndarray)
    assert len(prediction) == 5


@pytest.mark.parametrize("name", SUPERVISED)
def test_an_empty_measurement_is_nan_and_no_crash(name):
    assert all(np.isnan(value) for value in kind_of(name).measurement().compute().values())


@pytest.mark.parametrize("name", SUPERVISED)
def test_drawing_keeps_the_register(name):
    kind, backbone = kind_of(name), backbone_of("small_cnn").eval()
    with torch.no_grad():
        output = kind.build_head(backbone.features).eval()(backbone(torch.randn(1, 3, SIZE, SIZE)))
    image = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    for drawing in (
        kind.draw_target(image, targets_of(name, 1)[0].numpy(), kind.task, 3),
        kind.draw_prediction(image, kind.decode(output)[0], kind.task, 3),
    ):
        assert drawing.image.shape == (3 * SIZE, 3 * SIZE, 3)
        assert drawing.image.dtype == np.uint8


@pytest.mark.parametrize("source_name", list(DATA_SOURCES))
def test_every_task_of_every_source_has_a_kind(source_name):
    for task in open_source(PartConfig(name=source_name)).tasks():
        assert task.kind in TASK_KINDS


@pytest.mark.parametrize("name", list(TASK_KINDS))
def test_kinds_are_documented(name):
    kind_class = TASK_KINDS.load(name)
    assert kind_class.__doc__
    assert kind_class.title
    assert all(field.description for field in kind_class.Options.model_fields.values())


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(1.0, "objects", "1 object"), (1.2, "objects", "1.2 objects"), (1.0, "m", "1 m"), (0.5, "", "0.5")]
)
def test_one_is_singular(value, unit, text):
    task = Task("count", "regression", "count", unit=unit)
    drawing = TASK_KINDS.load("regression").draw_target(np.zeros((4, 4, 3), np.uint8), np.float32(value), task, 1)
    assert drawing.caption == text
