"""Separate networks are the tasks trained alone: every number of every epoch, to the last bit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.trainer import train

CONFIG = {
    "data": {"name": "digits"},
    "epochs": 2,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "device": "cpu",
    "seed": 3,
}
LENET = {"backbone": {"name": "lenet", "hidden": 8}, "data": {"name": "digits", "preprocessing": {"resize": "stretch", "height": 16, "width": 16}}}
CNN = {"backbone": {"name": "small_cnn", "width": 8, "stages": 2}}


def trained(folder, cache, tasks, scheme, **changes):
    """Losses at steps and metrics on val and on training images by key, and the last checkpoint's tensors."""
    folder.mkdir()
    config = RunConfig.from_dict({**CONFIG, "tasks": tasks, "sharing": {"name": scheme}, **changes})
    scalars = {}
    for event in train(config, folder, cache, Control()):
        if isinstance(event, StepScalars | EpochMetrics):
            scalars |= {(event.step, key): value for key, value in event.scalars.items()}
    return scalars, load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors")


@pytest.mark.parametrize(
    ("changes", "tasks"),
    [
        (CNN, {"digit": {}, "ink": {}}),
        (CNN, {"digit": {}, "rotation": {}}),
        (LENET, {"digit": {}, "ink": {"loss_weight": 0.5}}),
    ],
    ids=["batch normalisation", "views of its own", "dropout"],
)
def test_every_number_is_that_of_the_task_alone(changes, tasks, tmp_path, shared_cache):
    together, tensors = trained(tmp_path / "together", shared_cache, tasks, "separate", **changes)
    for task, options in tasks.items():
        alone, own = trained(tmp_path / task, shared_cache, {task: options}, "hard", **changes)
        compared = {key: value for key, value in alone.items() if key[1].startswith((f"val/{task}/", f"train/{task}/", f"loss/{task}"))}
        assert len({key for _, key in compared}) >= 3
        assert {key: together[key] for key in compared} == compared
        for name, value in own.items():
            there = name.replace("backbone.", f"networks.{task}.", 1) if name.startswith("backbone.") else name
            assert torch.equal(tensors[there], value), name
