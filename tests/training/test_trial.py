"""The trial before a long run: it says what the first batch says, it changes nothing, and a short run has none."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mtl_core.backbones import BACKBONES
from mtl_core.config import RunConfig
from mtl_core.events import Control, Message, RunStarted, StepScalars
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.tasks import SELF_SUPERVISED
from mtl_core.training.before_training import trial
from mtl_core.training.before_training.preflight import task_findings
from mtl_core.training.build import build
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train
from tests.covering import pairs

CONFIG = {
    "data": {"name": "digits", "image_size": 16},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "lenet"},  # with dropout, so that a step draws
    "epochs": 1,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "device": "cpu",
    "probe_samples": 1,
}
NORMALISED = {**CONFIG, "backbone": {"name": "small_cnn", "width": 8, "stages": 2}}  # with running means


def events_of(config, folder, cache):
    folder.mkdir()
    return list(train(RunConfig.from_dict(config), folder, cache, Control()))


FEW_IMAGES = {
    **CONFIG,
    "data": {"name": "digit_scenes", "train_size": 32, "val_size": 4, "test_size": 4, "max_digits": 1, "image_size": 32},
    "tasks": {"count": {}, "count_class": {}},
    "batch_size": 16,
}
CNN = {"backbone": NORMALISED["backbone"]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        CNN,
        {**CNN, "sharing": {"name": "ltb", "warmup": 0.0}},
        {**CNN, "balancing": {"name": "mgda", "gradients": "features"}},
        {**CNN, "update": {"name": "task_vectors"}},
        {**CNN, "tasks": {"count": {}, next(iter(SELF_SUPERVISED)): {}}},
    ],
    ids=["dropout", "running means", "drawn branches", "cut graph", "task vectors", "self-supervised"],
)
def test_a_tried_run_has_the_numbers_of_one_that_is_not_tried(changes, tmp_path, shared_cache, monkeypatch):
    config = {**FEW_IMAGES, **changes}
    plain = events_of(config, tmp_path / "plain", shared_cache)
    monkeypatch.setattr(trial, "LONG", 0.0)
    tried = events_of(config, tmp_path / "tried", shared_cache)
    said = [event.text for event in tried if isinstance(event, Message)]
    assert len(said) > sum(isinstance(event, Message) for event in plain)
    curves = [[event.scalars for event in events if isinstance(event, StepScalars)] for events in (plain, tried)]
    assert curves[0] == curves[1]


def test_it_says_time_labels_losses_and_norms_before_the_run_starts(tmp_path, shared_cache, monkeypatch):
    monkeypatch.setattr(trial, "LONG", 0.0)
    config = {**NORMALISED, "tasks": {"digit": {}, "ink": {"label_fraction": 0.001}}}
    events = events_of(config, tmp_path / "run", shared_cache)
    before = events[: next(place for place, event in enumerate(events) if isinstance(event, RunStarted))]
    said = " | ".join(event.text for event in before if isinstance(event, Message))
    setup = build(resolve(RunConfig.from_dict(config)), shared_cache)
    setup.network.model.train()
    found = task_findings(setup, next(iter(setup.run.train_batches.epoch(0))))
    assert f"for {setup.run.steps_per_epoch} steps" in said
    assert f"digit: 256 of 256 labelled, loss {found['digit'].loss:.3g}, gradient norm {found['digit'].gradient_norm:.3g}" in said
    warned = [event.text for event in before if isinstance(event, Message) and event.level == "warning"]
    assert ("no image of the first batch has a target for 'ink'" in warned) == (found["ink"].labelled == 0)


def test_a_short_run_is_not_tried(tmp_path, shared_cache, monkeypatch):
    monkeypatch.setattr(trial, "task_findings", None)
    assert not any("tried" in event.text for event in events_of(CONFIG | NORMALISED, tmp_path / "run", shared_cache) if isinstance(event, Message))


def test_a_stop_ends_the_trial(shared_cache, monkeypatch):
    monkeypatch.setattr(trial, "LONG", 0.0)
    monkeypatch.setattr(trial, "task_findings", None)
    setup, control = build(resolve(RunConfig.from_dict(NORMALISED)), shared_cache), Control()
    control.stop()
    assert len(list(trial.try_first_batch(setup, control))) == 1


@pytest.mark.parametrize(("scheme", "backbone"), pairs(list(SHARING_SCHEMES), ["small_cnn", "mlp", "lenet", "mobilenet_v3"], always=["small_cnn"]))
def test_the_bound_without_a_measurement_is_never_too_low(scheme, backbone):
    """Then no long run is taken for a short one."""
    from tests.sharing.test_schemes_on_backbones import SHAPE, model_of

    model = model_of(scheme, backbone).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.rand(1, *SHAPE))
    used = 2 if scheme == "adapters" else 1  # a shared trunk that runs once for each task
    assert counter.get_total_flops() / 2 <= used * SHAPE[1] * SHAPE[2] * sum(parameter.numel() for parameter in model.parameters())
    assert backbone in BACKBONES
