"""Loss weights and learning rate changed while a run trains: at once, recorded, and replayed bit by bit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.events import Control, EpochMetrics, Message, RunEnded, SettingChanged, StepScalars
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.trainer import train

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {"loss_weight": 0.5}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "epochs": 2,
    "batch_size": 64,
    "precision": "fp32",
    "device": "cpu",
}
STEPS = 1258 // 64  # in an epoch


def run(config, folder, cache, plan=None, stop_at=None):
    """Train; ``plan`` asks for changes once a step is done (every step is a point of the curves here), ``stop_at`` for a stop."""
    folder.mkdir(exist_ok=True, parents=True)
    control, events, plan = Control(), [], dict(plan or {})
    for event in train(config, folder, cache, control):
        events.append(event)
        if isinstance(event, StepScalars):
            for change in plan.pop(event.step, []):
                control.change(*change)
            if event.step == stop_at:
                control.stop()
    assert not plan
    return events


def scalars_of(events):
    return {(event.step, key): value for event in events if isinstance(event, StepScalars | EpochMetrics) for key, value in event.scalars.items()}


def weights_of(folder):
    return load_file(folder / "checkpoints" / read_index(folder)["last"] / "model.safetensors")


def same_weights(one, other):
    first, second = weights_of(one), weights_of(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_config_knows_its_settings_at_each_step():
    changes = [{"step": 5, "key": "tasks.ink.loss_weight", "value": 2}, {"step": 3, "key": "optimizer.lr", "value": 0.1}]
    config = RunConfig.from_dict({**CONFIG, "changes": changes})
    found = [(config.at_step(step).tasks["ink"].loss_weight, config.at_step(step).optimizer.lr) for step in (2, 3, 4, 5, 9)]
    assert found == [(0.5, 0.002), (0.5, 0.1), (0.5, 0.1), (2.0, 0.1), (2.0, 0.1)]
    assert config.tasks["ink"].loss_weight == 0.5  # as it began
    assert RunConfig.from_yaml(config.to_yaml()) == config


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("tasks.inc.loss_weight", 1, "'tasks.inc.loss_weight' cannot be changed while a run trains. What can: optimizer.lr, tasks.digit.loss_weight"),
        ("batch_size", 1, "'batch_size' cannot be changed"),
        ("tasks.ink.loss_weight", -1, "tasks.ink.loss_weight must be 0 or more, found -1"),
        ("tasks.ink.loss_weight", float("nan"), "finite number"),
        ("optimizer.lr", 0, "optimizer.lr must be above 0 and at most 10, found 0"),
    ],
)
def test_a_change_that_cannot_be_is_refused_in_words(key, value, said):
    with pytest.raises(ConfigError, match=said):
        RunConfig.from_dict(CONFIG).with_change(4, key, value)


def test_one_task_keeps_a_positive_weight():
    config = RunConfig.from_dict(CONFIG).with_change(2, "tasks.ink.loss_weight", 0)
    with pytest.raises(ConfigError, match="every loss_weight is 0"):
        config.with_change(3, "tasks.digit.loss_weight", 0)


def test_a_live_change_holds_from_the_next_step_and_is_told(tmp_path, shared_cache):
    plan = {4: [("tasks.ink.loss_weight", 3.0), ("optimizer.lr", 0.01)]}
    events = run(RunConfig.from_dict({**CONFIG, "schedule": {"name": "constant", "warmup_fraction": 0}}), tmp_path / "run", shared_cache, plan)
    changed = [event for event in events if isinstance(event, SettingChanged)]
    epoch = pytest.approx(4 / STEPS)
    assert changed == [
        SettingChanged(4, epoch, "tasks.ink.loss_weight", 0.5, 3.0, replayed=False),
        SettingChanged(4, epoch, "optimizer.lr", 0.002, 0.01, replayed=False),
    ]
    found = scalars_of(events)
    assert [found[step, "loss_weight/ink"] for step in (3, 4, 5, 6)] == [0.5, 0.5, 3.0, 3.0]
    assert [found[step, "optimizer/lr"] for step in (3, 4, 5, 6)] == pytest.approx([0.002, 0.002, 0.01, 0.01])
    assert found[5, "optimizer/loss"] == pytest.approx(found[5, "train/digit/loss"] + 3 * found[5, "train/ink/loss"], rel=1e-5)


@pytest.mark.parametrize("balancer", ["fixed", "uncertainty", "dwa", "pcgrad"])
def test_a_steered_run_is_replayed_bit_by_bit(balancer, tmp_path, shared_cache):
    config = RunConfig.from_dict({**CONFIG, "balancing": {"name": balancer}})
    plan = {4: [("tasks.ink.loss_weight", 3.0)], 9: [("optimizer.lr", 0.01), ("tasks.ink.loss_weight", 0.0)], STEPS + 12: [("optimizer.lr", 0.001)]}
    live = run(config, tmp_path / "live", shared_cache, plan)
    changes = [(event.step, event.key, event.new) for event in live if isinstance(event, SettingChanged)]
    assert len(changes) == 4
    for change in changes:
        config = config.with_change(*change)
    again = run(config, tmp_path / "again", shared_cache)
    assert [event.replayed for event in again if isinstance(event, SettingChanged)] == [True] * 4
    assert scalars_of(live) == scalars_of(again)
    assert same_weights(tmp_path / "live", tmp_path / "again")


@pytest.mark.parametrize("stop_at", [7, 12])  # before and after the change at step 9
def test_a_steered_run_that_was_stopped_goes_on_bit_by_bit(stop_at, tmp_path, shared_cache):
    config = RunConfig.from_dict(CONFIG).with_change(9, "tasks.ink.loss_weight", 3.0).with_change(9, "optimizer.lr", 0.01)
    whole = run(config, tmp_path / "whole", shared_cache)
    first = run(config, tmp_path / "cut", shared_cache, stop_at=stop_at)
    assert isinstance(first[-1], RunEnded)
    assert first[-1].step == stop_at
    second = run(config, tmp_path / "cut", shared_cache)
    assert scalars_of(first) | scalars_of(second) == scalars_of(whole)
    assert same_weights(tmp_path / "cut", tmp_path / "whole")
    told = [event.step for event in (*first, *second) if isinstance(event, SettingChanged)]
    assert told == [9, 9]


def test_a_change_that_no_longer_fits_is_said_and_the_run_goes_on(tmp_path, shared_cache):
    plan = {3: [("tasks.ink.loss_weight", 0.0), ("tasks.digit.loss_weight", 0.0)]}
    events = run(RunConfig.from_dict({**CONFIG, "epochs": 1}), tmp_path / "run", shared_cache, plan)
    warning = next(event.text for event in events if isinstance(event, Message) and event.level == "warning")
    assert warning.startswith("not changed: changes: with tasks.digit.loss_weight at 0")
    assert events[-1].status == "finished"
