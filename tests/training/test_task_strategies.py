"""Each task's own strategy: optimizer, learning rate, first and last epoch."""

from __future__ import annotations

import copy

import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.config_sections import OptimizerConfig
from mtl_core.errors import ConfigError
from mtl_core.events import Control, EpochMetrics, StepScalars
from mtl_core.training.build import build
from mtl_core.training.live_changes import Changes
from mtl_core.training.optimizers import JoinedOptimizer, algorithms, make_optimizer
from mtl_core.training.parts import resolve
from mtl_core.training.trainer import train
from tests.training.test_changes import CONFIG, run, same_weights, scalars_of

OWN = {"digit": {"optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.0, "weight_decay": 0.0}}, "ink": {}}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def config_of(**settings):
    return RunConfig.from_dict({**CONFIG, **settings})


def test_a_task_with_its_own_optimizer_takes_its_own_steps(cache):
    """Plain descent of the head by hand, while the rest follows AdamW."""
    setup = build(resolve(config_of(tasks=OWN, schedule={"name": "constant", "warmup_fraction": 0.0})), cache)
    head = setup.network.model.task_parameters("digit")
    before = [parameter.detach().clone() for parameter in head]
    step = setup.update
    step(next(iter(setup.run.train_batches.epoch(0))), 1)
    for parameter, first in zip(head, before, strict=True):
        assert torch.allclose(parameter, first - 0.05 * parameter.grad, atol=1e-7)
    assert set(algorithms(setup.network.optimizer)) == {"SGD", "AdamW"}


def test_the_schedule_moves_every_learning_rate_and_a_live_change_only_the_runs(cache):
    setup = build(resolve(config_of(tasks=OWN, changes=[{"step": 5, "key": "optimizer.lr", "value": 0.01}])), cache)
    Changes(setup.run.config, setup.network, 5)
    setup.network.rate.use(setup.network.optimizer, 6)
    rates = {group.get("own_lr"): group["lr"] for group in setup.network.optimizer.param_groups}
    factor = setup.network.rate.factor(5)
    assert rates == pytest.approx({None: 0.01 * factor, 0.05: 0.05 * factor})


def test_joined_optimizers_number_their_parameters_through():
    """Its state, saved and put back, is that of the parts: two of them go on alike."""

    def make():
        torch.manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(2)), torch.nn.Parameter(torch.randn(2, 2))]
        parts = [make_optimizer(OptimizerConfig(), parameters[:2]), make_optimizer(OptimizerConfig(name="sgd", lr=0.1), parameters[2:], own_lr=0.1)]
        return parameters, JoinedOptimizer(parts)

    def descend(parameters, optimizer, steps):
        for _ in range(steps):
            for parameter in parameters:
                parameter.grad = None
            sum((parameter**2).sum() for parameter in parameters).backward()
            optimizer.step()

    parameters, optimizer = make()
    descend(parameters, optimizer, 3)
    others, fresh = make()
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))  # torch would share the tensors
    assert sorted(fresh.state_dict()["state"]) == [0, 1, 2]
    with torch.no_grad():
        for mine, other in zip(others, parameters, strict=True):
            mine.copy_(other)
    descend(parameters, optimizer, 2)
    descend(others, fresh, 2)
    assert all(torch.equal(one, other) for one, other in zip(parameters, others, strict=True))


def test_a_stopped_run_with_own_optimizers_goes_on_bit_by_bit(tmp_path, cache):
    config = config_of(tasks={**OWN, "ink": {"start_epoch": 2}})
    whole = scalars_of(run(config, tmp_path / "whole", cache))
    parts = scalars_of(run(config, tmp_path / "parts", cache, stop_at=11)) | scalars_of(run(config, tmp_path / "parts", cache))
    assert parts == whole
    assert same_weights(tmp_path / "whole", tmp_path / "parts")


def test_a_task_is_trained_in_its_own_epochs_only(tmp_path, cache):
    config = config_of(tasks={"digit": {"stop_epoch": 2}, "ink": {"start_epoch": 2}}, epochs=3)
    events = list(train(config, tmp_path, cache, Control()))
    seen = {name: set() for name in config.tasks}
    for event in events:
        if isinstance(event, StepScalars):
            for name in seen:
                if f"train/{name}/loss" in event.scalars:
                    seen[name].add(int(event.epoch - 1e-9) + 1)
    assert seen == {"digit": {1, 2}, "ink": {2, 3}}
    measured = [event.scalars for event in events if isinstance(event, EpochMetrics)]
    assert all("val/ink/loss" in scalars for scalars in measured[:3])  # measured all the same


def test_outside_its_epochs_a_task_changes_nothing(cache):
    setup = build(resolve(config_of(tasks={"digit": {}, "ink": {"start_epoch": 2}})), cache)
    head = [parameter.detach().clone() for parameter in setup.network.model.task_parameters("ink")]
    step = setup.update
    for number, batch in enumerate(setup.run.train_batches.epoch(0), start=1):
        result = step(batch, number)
        assert result.present.tolist() == [True, False]
        assert result.coefficients[1] == 0
    assert all(torch.equal(one, other) for one, other in zip(head, setup.network.model.task_parameters("ink"), strict=True))
    step(batch, setup.run.steps_per_epoch + 1)
    assert not all(torch.equal(one, other) for one, other in zip(head, setup.network.model.task_parameters("ink"), strict=True))


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ({"digit": {"stop_epoch": 2, "start_epoch": 3}}, "stop_epoch 2 is before start_epoch 3"),
        ({"digit": {"start_epoch": 7}}, "start_epoch 7 is after the run's last epoch, 5"),
        ({"digit": {"stop_epoch": 1}, "ink": {"start_epoch": 3}}, "no task is trained in epoch 2"),
        ({"digit": {"start_epoch": 2}}, "no task is trained in epoch 1"),
        ({"digit": {"optimizer": {"lr": -1}}}, "tasks.digit.optimizer.lr"),
    ],
)
def test_what_makes_no_sense_is_said(tasks, said):
    with pytest.raises(ConfigError, match=said):
        config_of(tasks=tasks, epochs=5)


def test_a_setting_by_its_path():
    config = config_of().with_overrides(["tasks.ink.optimizer.name=adam", "tasks.ink.optimizer.lr=0.5", "tasks.digit.stop_epoch=1"])
    assert config.tasks["ink"].optimizer == OptimizerConfig(name="adam", lr=0.5)
    assert config.trains(2) == [False, True]
    assert RunConfig.from_yaml(config.to_yaml()) == config
