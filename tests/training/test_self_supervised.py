"""Self-supervised tasks in runs: alone and beside supervised ones, repeated, gone on with, drawn, and good for something."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.outcomes.linear_probe import config_of, probe, trained, untrained
from mtl_core.config import RunConfig
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.runs.artifacts import read_probe_targets, read_probes
from mtl_core.training import checkpoints
from mtl_core.training.trainer import train

VALUES = {
    "data": {"name": "digits", "image_size": 12},
    "tasks": {"digit": {}, "rotation": {}, "reconstruction": {"channels": 16}, "contrastive": {}},
    "backbone": {"name": "small_cnn", "width": 8, "stages": 2},
    "epochs": 2,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 4,
    "device": "cpu",
    "conflict_every": 1,
}


class StopAfter(Control):
    """Asks to stop once it has been looked at so many times."""

    def __init__(self, looks: int):
        super().__init__()
        self.looks = looks

    @property
    def interrupted(self) -> bool:
        self.looks -= 1
        if self.looks < 0:
            self.stop_requested = True
        return super().interrupted


def run(folder, cache, control=None, **changes):
    folder.mkdir(exist_ok=True)
    return list(train(RunConfig.from_dict({**VALUES, **changes}), folder, cache, control or Control()))


def scalars_of(events):
    return {(event.step, key): value for event in events if isinstance(event, StepScalars | EpochMetrics) for key, value in event.scalars.items()}


FEW_IMAGES = {
    "data": {"name": "digit_scenes", "train_size": 64, "val_size": 8, "test_size": 8, "max_digits": 1, "image_size": 32},
    "tasks": {"count_class": {}, "rotation": {}, "reconstruction": {"channels": 16}, "contrastive": {}},
    "batch_size": 16,
}


@pytest.mark.parametrize("balancing", [{"name": "pcgrad", "gradients": "features"}, {"name": "famo"}])  # famo looks at each batch's views again
def test_a_stopped_run_goes_on_bit_by_bit_and_every_measure_is_there(balancing, tmp_path, shared_cache):
    changes = {**FEW_IMAGES, "balancing": balancing}
    whole = run(tmp_path / "whole", shared_cache, **changes)
    first = run(tmp_path / "cut", shared_cache, StopAfter(7), **changes)
    assert first[-1].status == "stopped"
    second = run(tmp_path / "cut", shared_cache, **changes)
    assert scalars_of(first) | scalars_of(second) == scalars_of(whole)
    ends = [folder / "checkpoints" / checkpoints.read_index(folder)["last"] for folder in (tmp_path / "whole", tmp_path / "cut")]
    models = [load_file(end / "model.safetensors") for end in ends]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])
    values = scalars_of(whole)
    assert all(math.isfinite(value) for value in values.values())
    keys = {key for _, key in values}
    assert {"val/rotation/accuracy", "val/reconstruction/r2", "val/contrastive/found", "test/count_class/accuracy"} <= keys
    assert {f"gradient_share/{task}" for task in FEW_IMAGES["tasks"]} <= keys
    assert "conflict/rotation/contrastive" in keys


def test_probes_hold_what_each_task_sees(tmp_path, shared_cache):
    run(tmp_path / "run", shared_cache, epochs=1)
    probes, predictions = read_probe_targets(tmp_path / "run"), read_probes(tmp_path / "run", 1)
    assert set(probes.inputs) == {"rotation", "reconstruction", "contrastive"}
    assert all(len(predictions[task]) == 4 and probes.labelled[task].all() for task in probes.inputs)
    for image, seen, turns in zip(probes.images, probes.inputs["rotation"], probes.targets["rotation"], strict=True):
        assert np.abs(np.rot90(seen, -turns).astype(int) - image).max() <= 1


def test_alone_on_an_mlp_without_any_label(tmp_path, shared_cache):
    events = run(
        tmp_path / "run", shared_cache, tasks={"reconstruction": {"mask_ratio": 0, "channels": 8}, "rotation": {}}, backbone={"name": "mlp"}, epochs=4
    )
    values = scalars_of(events)
    first, last = min(step for step, key in values if key == "val/rotation/loss"), events[-1].step
    assert values[last, "val/reconstruction/r2"] > values[first, "val/reconstruction/r2"] + 0.05
    assert not any("digit" in key for _, key in values)


def test_an_autoencoder_that_reads_the_batchs_own_images_changes_nothing_for_others(tmp_path, shared_cache):
    """At a loss weight of 0: it needs no view, so not even the batch normalisation sees anything else."""
    fixed = {"optimizer": {"weight_decay": 0}, "gradient_norms": False, "conflict_every": 0}
    plain = scalars_of(run(tmp_path / "plain", shared_cache, tasks={"digit": {}}, **fixed))
    tasks = {"digit": {}, "reconstruction": {"mask_ratio": 0, "channels": 16, "loss_weight": 0}}
    beside = scalars_of(run(tmp_path / "beside", shared_cache, tasks=tasks, **fixed))
    shared = [key for key in plain if "/digit/" in key[1]]
    assert shared
    assert all(beside[key] == pytest.approx(plain[key], rel=1e-4) for key in shared)


def test_features_learnt_without_labels_beat_those_of_a_random_trunk(shared_cache):
    """The benchmark's autoencoder, shorter: five labels per class."""
    data = {"name": "digits", "image_size": 16}
    config = config_of(data, {"reconstruction": {"mask_ratio": 0, "noise": 0.3, "channels": 16}}, seed=0, epochs=4, width=8)
    learnt, random = probe(trained(config, shared_cache), "digit"), probe(untrained(config, shared_cache), "digit")
    assert learnt[0] > random[0] + 0.05
    assert learnt[1] > random[1] + 0.02
