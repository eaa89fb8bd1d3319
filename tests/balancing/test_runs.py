"""Real small runs under every method: they learn, stop, and go on bit by bit."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.balancing import BALANCERS
from mtl_core.balancing.balancer import Balancer
from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.training import checkpoints
from mtl_core.training.trainer import train

AT_FEATURES = [name for name in BALANCERS if "gradients" in BALANCERS.load(name).Options.model_fields]


def config_of(name: str, **options) -> RunConfig:
    return RunConfig.from_dict(
        {
            "data": {"name": "digit_scenes", "train_size": 32, "val_size": 6, "test_size": 4, "max_digits": 2, "image_size": 32},
            "tasks": {"present": {}, "count": {}, "count_class": {}},
            "backbone": {"name": "mlp", "hidden": [16]},
            "balancing": {"name": name, **options},
            "epochs": 3,
            "batch_size": 8,
            "precision": "fp32",
            "layout": "contiguous",
            "probe_samples": 1,
            "device": "cpu",
        }
    )


def run(config, folder, cache, stop_at=None):
    """Train; asks for a stop once step ``stop_at`` is done (every step is a point of the curves here)."""
    folder.mkdir(exist_ok=True)
    control, events = Control(), []
    for event in train(config, folder, cache, control):
        events.append(event)
        if isinstance(event, StepScalars) and event.step == stop_at:
            control.stop()
    return events


def scalars_of(events):
    return {(event.step, key): value for event in events if isinstance(event, StepScalars | EpochMetrics) for key, value in event.scalars.items()}


def weights_of(folder):
    return load_file(folder / "checkpoints" / checkpoints.read_index(folder)["last"] / "model.safetensors")


@pytest.mark.parametrize(
    ("name", "options"), [*((name, {}) for name in BALANCERS), ("gradvac", {"gradients": "blocks"})], ids=[*BALANCERS, "gradvac by blocks"]
)
def test_a_stopped_run_goes_on_bit_by_bit(name, options, tmp_path, shared_cache):
    """Stopped in the middle of the last epoch. A method that looks back at epochs has two behind it then, the others have one."""
    epochs = 2 if BALANCERS.load(name).end_epoch is Balancer.end_epoch else 3
    config = config_of(name, **options).model_copy(update={"epochs": epochs})
    whole = run(config, tmp_path / "whole", shared_cache)
    middle = 4 * epochs - 2  # four steps an epoch
    first = run(config, tmp_path / "cut", shared_cache, stop_at=middle)
    assert first[-1].status == "stopped"
    assert first[-1].step == middle
    second = run(config, tmp_path / "cut", shared_cache)
    assert second[-1].status == "finished"
    assert scalars_of(first) | scalars_of(second) == scalars_of(whole)
    assert all(math.isfinite(value) for value in scalars_of(whole).values())
    whole_weights, cut_weights = weights_of(tmp_path / "whole"), weights_of(tmp_path / "cut")
    assert all(torch.equal(whole_weights[key], cut_weights[key]) for key in whole_weights)


@pytest.mark.parametrize("name", AT_FEATURES)
def test_a_run_at_the_features_goes_through(name, tmp_path, shared_cache):
    config = config_of(name, gradients="features").model_copy(update={"epochs": 1})
    events = run(config, tmp_path / "run", shared_cache)
    assert events[-1].status == "finished"
    assert all(math.isfinite(value) for value in scalars_of(events).values())
