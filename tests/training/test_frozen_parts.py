"""Freezing: what is frozen keeps its numbers and measures nothing, under every sharing scheme and method; the rest trains."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.balancing import BALANCERS
from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from mtl_core.events import Control, StepScalars
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.sharing.frozen_parts import placed_stages, rate_factors
from mtl_core.training.build import build
from mtl_core.training.check import parameter_counts, problems, remarks
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.parts import resolve
from mtl_core.training.step import JointStep
from mtl_core.training.trainer import train

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "epochs": 2,
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "probe_samples": 1,
    "conflict_every": 2,
    "device": "cpu",
}


def config_of(backbone=None, **changes):
    return RunConfig.from_dict({**CONFIG, "backbone": {"name": "small_cnn", "width": 8, "stages": 3, **(backbone or {})}, **changes})


def stepped(config, cache):
    """The setup after one step, and its tensors before."""
    setup = build(resolve(config), cache)
    before = {name: tensor.clone() for name, tensor in setup.network.model.state_dict().items()}
    setup.network.model.train()
    JointStep(setup.run, setup.network)(next(iter(setup.run.train_batches.epoch(0))), 1)
    return setup, before


@pytest.mark.parametrize("scheme", list(SHARING_SCHEMES))
@pytest.mark.parametrize(("freeze", "count"), [({"freeze": "all"}, 3), ({"freeze": "stages", "freeze_stages": 2}, 2)])
def test_frozen_stages_keep_every_number_and_the_rest_trains(scheme, freeze, count, shared_cache):
    setup, before = stepped(config_of(freeze, sharing={"name": scheme}), shared_cache)
    model = setup.network.model
    frozen = {id(tensor) for place, stage in placed_stages(model) if place < count for tensor in stage.state_dict(keep_vars=True).values()}
    assert frozen
    for name, tensor in model.state_dict(keep_vars=True).items():
        if id(tensor) in frozen:
            assert torch.equal(tensor, before[name]), name
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    moved = {name for name in trained if not torch.equal(model.state_dict()[name], before[name])}
    assert {name for name in trained if name.startswith("heads.")} <= moved
    assert not {id(parameter) for parameter in model.parameters() if parameter.requires_grad} & frozen


@pytest.mark.parametrize("balancing", list(BALANCERS))
def test_a_frozen_backbone_leaves_the_heads_to_train_under_every_method(balancing, shared_cache):
    setup, before = stepped(config_of({"freeze": "all"}, balancing={"name": balancing}), shared_cache)
    after = setup.network.model.state_dict()
    assert all(torch.isfinite(tensor).all() for tensor in after.values())
    assert all(torch.equal(after[name], before[name]) for name in after if name.startswith("backbone."))
    assert any(not torch.equal(after[name], before[name]) for name in after if name.startswith("heads."))


def trained(config, folder, cache, stop_at=None):
    folder.mkdir(exist_ok=True)
    control = Control()
    for event in train(config, folder, cache, control):
        if isinstance(event, StepScalars) and event.step == stop_at:
            control.stop()
    index = read_index(folder)
    return {name: load_file(folder / "checkpoints" / index[name] / "model.safetensors") for name in ("previous", "last") if index.get(name)}


def test_frozen_until_an_epoch_and_resumed_after_it(tmp_path, shared_cache):
    config = config_of({"freeze": "all", "freeze_epochs": 1}, epochs=2, keep_checkpoints=2)
    start = build(resolve(config), shared_cache).network.model.state_dict()
    whole = trained(config, tmp_path / "whole", shared_cache)
    own = [name for name in start if name.startswith("backbone.")]
    assert all(torch.equal(whole["previous"][name], start[name]) for name in own)
    assert not any(torch.equal(whole["last"][name], start[name]) for name in own)
    steps = len(build(resolve(config), shared_cache).run.train_batches)
    trained(config, tmp_path / "parts", shared_cache, stop_at=steps + 2)
    resumed = trained(config, tmp_path / "parts", shared_cache)
    assert all(torch.equal(whole["last"][name], resumed["last"][name]) for name in start)


def test_a_frozen_head_keeps_its_numbers_while_the_backbone_learns_from_its_loss(shared_cache):
    setup, before = stepped(config_of(tasks={"digit": {"frozen": True}, "ink": {}}), shared_cache)
    after = setup.network.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in after if name.startswith("heads.digit."))
    assert any(not torch.equal(after[name], before[name]) for name in after if name.startswith("backbone."))


def test_learning_rates_fall_from_the_last_stage_to_the_first(shared_cache):
    config = config_of({"lr_factor": 0.5, "layer_decay": 0.1})
    setup = build(resolve(config), shared_cache)
    model, rate = setup.network.model, setup.network.rate
    rate.use(setup.network.optimizer, 50)
    found = {id(parameter): group["lr"] for group in setup.network.optimizer.param_groups for parameter in group["params"]}
    whole = rate.at(50)
    for place, factor in enumerate((0.005, 0.05, 0.5)):
        assert all(found[id(parameter)] == pytest.approx(whole * factor) for parameter in model.backbone.stages[place].parameters())
    assert all(found[id(parameter)] == whole for parameter in model.heads.parameters())
    assert len(found) == len(list(model.parameters()))
    assert rate_factors(model, config_of().backbone) == {}


def test_with_sgd_a_factor_scales_the_step_exactly(shared_cache):
    """One step of plain SGD moves a parameter by rate x factor x gradient."""
    sgd = {"optimizer": {"name": "sgd", "momentum": 0, "weight_decay": 0}}
    (plain, start), (slowed, _) = (stepped(config_of(factor, **sgd), shared_cache) for factor in ({}, {"lr_factor": 0.25}))
    one, other = plain.network.model.state_dict(), slowed.network.model.state_dict()
    for name, _ in plain.network.model.named_parameters():
        share = 0.25 if name.startswith("backbone.") else 1.0
        torch.testing.assert_close(other[name] - start[name], share * (one[name] - start[name]), rtol=1e-3, atol=1e-7)


def test_counts_and_problems_say_what_is_trained():
    whole, frozen = parameter_counts(config_of()), parameter_counts(config_of({"freeze": "all"}))
    assert frozen == {"shared": 0, "tasks": whole["tasks"], "frozen": whole["shared"]}
    [problem] = problems(config_of({"freeze": "stages", "freeze_stages": 4}))
    assert problem.field == "backbone.freeze_stages"
    assert "has 3 stages (stages.0, stages.1, stages.2); found 4" in problem.message
    later = {"freeze": "all", "freeze_epochs": 1}
    assert [each.field for each in problems(config_of(later, balancing={"name": "moco"}))] == ["backbone.freeze_epochs"]
    assert [each.field for each in problems(config_of(later, update={"name": "task_vectors"}))] == ["backbone.freeze_epochs"]
    assert any("begins with random values and keeps them" in remark for remark in remarks(config_of({"freeze": "all"})))
    with pytest.raises(ConfigError, match="layer_decay"):
        config_of({"layer_decay": 0})
