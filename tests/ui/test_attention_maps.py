"""Maps of a scheme's attention: what is drawn of them, what a run keeps, and what a page shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from mtl_core.config import RunConfig
from mtl_core.events import Control
from mtl_core.runs.artifacts import read_attention, read_probes
from mtl_core.training import probe_set
from mtl_core.training.trainer import train
from tests.sharing.test_learnt import CONFIG, TASKS, model_of
from ui.run.attention_maps import heat_pictures


def test_attention_maps_are_the_means_of_the_masks():
    model, images = model_of("mtan"), torch.rand(2, 1, 8, 8)
    maps = model.attention_maps(images)
    assert {task: list(stages) for task, stages in maps.items()} == {task: ["stages.0", "stages.1", "stages.2"] for task in TASKS}
    mask = model.attention["b"][0](model.stages[0](images), None)
    torch.testing.assert_close(maps["b"]["stages.0"], mask.mean(1))
    for matrix in model.learnt(images):
        torch.testing.assert_close(matrix.values[1, 0], mask.mean())
    assert model_of("hard").attention_maps(images) == {}


def test_maps_are_kept_small():
    maps = torch.zeros(3, 64, 20)
    maps[:, :2] = 1.0
    kept = probe_set._as_bytes(maps)
    assert (kept.shape, kept.dtype) == ((3, 32, 20), np.uint8)
    assert (kept[:, 0] == 255).all()
    assert not kept[:, 1:].any()


def test_a_map_is_drawn_where_it_lies_and_relative_to_all():
    images = np.full((2, 4, 4, 3), 100, np.uint8)
    values = np.zeros((2, 2, 2), np.float32) + 0.25
    values[0, 0, 1] = 0.75
    first, second = heat_pictures(images, values, scale=1)
    hot = (first != 100).any(2)
    assert hot.tolist() == [[False, False, True, True]] * 2 + [[False] * 4] * 2
    assert (second == 100).all()
    assert all((picture == 100).all() for picture in heat_pictures(images, values[1:], scale=1))


@pytest.fixture(scope="module")
def attentive(tmp_path_factory, shared_cache):
    """The folder of a trained run with attention."""
    folder = tmp_path_factory.mktemp("attentive")
    config = RunConfig.from_dict({**CONFIG, "tasks": {"digit": {}, "rotation": {}}, "sharing": {"name": "mtan"}, "probe_samples": 10})
    for _ in train(config, folder, shared_cache, Control()):
        pass
    return folder


def test_a_run_keeps_maps_of_every_epoch_and_predictions_do_not_see_them(attentive):
    for epoch in (0, 1):
        found = read_attention(attentive, epoch)
        assert {task: {stage: maps.shape for stage, maps in stages.items()} for task, stages in found.items()} == {
            task: {"stages.0": (8, 4, 4), "stages.1": (8, 2, 2)} for task in ("digit", "rotation")
        }
        assert set(read_probes(attentive, epoch)) == {"digit", "rotation"}
    assert read_attention(attentive, 2) == {}


def page(folder):
    from pathlib import Path
    from types import SimpleNamespace

    from ui.run.attention_maps import attention_maps

    attention_maps(SimpleNamespace(id="r"), Path(folder), 1)


def test_the_page_shows_the_maps_of_a_stage(attentive, tmp_path):
    app = AppTest.from_function(page, args=(str(attentive),)).run()
    assert not app.exception
    assert app.selectbox[0].options == ["stages.0", "stages.1"]
    assert "digit 0." in app.caption[0].value
    assert not AppTest.from_function(page, args=(str(tmp_path),)).run().markdown
