"""fp16 with a loss scale: gradients without the scale for every method, overflowed steps skipped, the scale in the checkpoint. On the CPU."""

from __future__ import annotations

import copy

import pytest
import torch
from safetensors.torch import load_file

from mtl_core.config import RunConfig
from mtl_core.errors import NonFiniteLossError
from mtl_core.events import SKIPPED, Control, Message, StepScalars
from mtl_core.sharing import loss_scale
from mtl_core.sharing.loss_scale import LossScale
from mtl_core.training.build import build
from mtl_core.training.check import problems, remarks
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.losses_in_parts import losses_of
from mtl_core.training.parts import resolve
from mtl_core.training.step import OverflowedStep
from mtl_core.training.trainer import train
from tests.training import rank_pair
from tests.training.test_several_devices import assert_close

NAMED = ("normalisation", "normalisation, method at the parameters", "normalisation, method at the features", "one task at the features")
CASES = {name: config for name, config in rank_pair.cases().items() if name in NAMED or name not in rank_pair.SPECIAL}
# On a CPU a convolution in fp16 takes twenty times as long as in fp32: the maps of one task and of one finer stage are enough here.
FEW_MAPS = {"tasks": {"present": {}, "segments": {}}, "backbone": {"name": "small_cnn", "width": 8, "stages": 2}}
for _name in NAMED[:3]:
    CASES[_name] = RunConfig.from_dict({**CASES[_name].to_dict(), **FEW_MAPS})
ROUNDED = {"rtol": 5e-3, "atol": 2e-4}  # fp16 has three digits; another scale rounds other small gradients


def half(config: RunConfig, **changes) -> RunConfig:
    return config.model_copy(update={"precision": "fp16", **changes})


def at_scale(monkeypatch, scale: float, config: RunConfig, cache):
    """The first step."""
    monkeypatch.setattr(loss_scale, "BEGINNING", scale)
    return rank_pair.steps_of(config, cache, steps=1)[0]


def built(monkeypatch, scale: float, cache, **changes):
    monkeypatch.setattr(loss_scale, "BEGINNING", scale)
    setup = build(resolve(half(RunConfig.from_dict({**rank_pair.CONFIG, **changes}))), cache)
    setup.network.model.train()
    return setup, next(iter(setup.run.train_batches.epoch(0)))


@pytest.mark.parametrize("case", CASES)
def test_no_method_sees_the_scale(case, shared_cache, monkeypatch):
    one, two = (at_scale(monkeypatch, scale, half(CASES[case]), shared_cache) for scale in (2.0**8, 2.0**12))
    for what in ("losses", "present", "combined", "coefficients", "extras", "network", "method"):
        assert_close(one[what], two[what], f"{case}, {what}", ROUNDED)


@pytest.mark.parametrize("name", ["fixed", "pcgrad", "mgda at the features"])
def test_the_first_step_is_that_of_fp32_up_to_rounding(name, shared_cache, monkeypatch):
    whole, rounded = (at_scale(monkeypatch, 2.0**10, config, shared_cache) for config in (CASES[name], half(CASES[name])))
    assert_close(whole["losses"], rounded["losses"], name, {"rtol": 1e-2, "atol": 1e-3})
    assert_close(whole["network"], rounded["network"], name, {"rtol": 1e-2, "atol": 2e-3})
    assert_close(whole["extras"], rounded["extras"], name, {"rtol": 5e-2, "atol": 1e-2})


@pytest.mark.parametrize("name", ["fixed", "pcgrad", "mgda at the features"])
def test_batches_in_parts_see_no_scale_either(name, shared_cache, monkeypatch):
    whole, parted = (at_scale(monkeypatch, 2.0**10, half(CASES[name], accumulate=parts), shared_cache) for parts in (1, 2))
    for what in ("losses", "present", "combined", "coefficients", "extras", "network", "method"):
        assert_close(whole[what], parted[what], f"{name}, {what}", ROUNDED)


def test_small_gradients_are_kept(shared_cache, monkeypatch):
    norms = []
    for scale in (1.0, 2.0**16):
        setup, batch = built(monkeypatch, scale, shared_cache)
        losses, _ = losses_of(setup.run, setup.network, batch)
        shared = setup.network.model.shared_parameters()
        (losses[0] * 1e-9).backward()
        norms.append(float(torch.cat([parameter.grad.reshape(-1) for parameter in shared]).norm()))
    assert norms[0] == 0
    assert 1e-11 < norms[1] < 1e-8


@pytest.mark.parametrize("balancing", [{"name": "dwa"}, {"name": "uncertainty"}, {"name": "mgda"}, {"name": "gradnorm", "gradients": "features"}])
def test_an_overflowed_step_changes_nothing_and_halves_the_scale(balancing, shared_cache, monkeypatch):
    setup, batch = built(monkeypatch, 2.0**120, shared_cache, **FEW_MAPS, balancing=balancing)
    before = copy.deepcopy([setup.network.model.state_dict(), setup.network.balancer.state_dict(), setup.network.optimizer.state_dict()])
    with pytest.raises(OverflowedStep, match=r"step 1 was skipped: its gradient is too large for fp16.*Steps skipped for this so far: 1"):
        setup.update(batch, 1)
    after = [setup.network.model.state_dict(), setup.network.balancer.state_dict(), setup.network.optimizer.state_dict()]
    assert str(before) == str(after)
    assert all(torch.equal(tensor, after[0][name]) for name, tensor in before[0].items())
    assert setup.update.state_dict() == {"loss_scale": {"value": 2.0**119, "overflows": 1, "steps": 0}}


def test_a_gradient_that_is_not_finite_without_a_scale_ends_the_run(shared_cache, monkeypatch):
    setup, batch = built(monkeypatch, 1.0, shared_cache)
    for parameter in setup.network.model.shared_parameters():
        parameter.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(NonFiniteLossError):
        setup.update(batch, 1)


def test_the_scale_follows_the_rule_of_torch():
    ours, theirs = LossScale(), torch.amp.GradScaler("cpu")
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    theirs.scale(parameter.sum())
    for step in range(4_400):
        is_over = step in (0, 1, 7, 1_500, 3_600)
        parameter.grad = torch.full((1,), float("inf") if is_over else 0.0)
        theirs.step(optimizer)
        theirs.update()
        if is_over:
            assert ours.overflowed()
        else:
            ours.succeeded()
        assert ours.value == theirs.get_scale(), step
    assert (ours.value, ours.overflows) == (2.0**12, 5)  # five times halved, once doubled


def test_a_scale_of_one_is_not_lowered():
    scale = LossScale()
    assert [scale.overflowed() for _ in range(18)] == [True] * 16 + [False] * 2
    assert (scale.value, scale.overflows) == (1.0, 16)


def trained(config: RunConfig, folder, cache, stop: int = 0) -> list[Message]:
    folder.mkdir(exist_ok=True)
    control, said = Control(), []
    for event in train(config, folder, cache, control):
        if isinstance(event, Message):
            said.append(event)
        if isinstance(event, StepScalars) and event.step == stop:
            control.stop()
    return [message for message in said if "too large for fp16" in message.text]


def test_overflows_are_in_the_log_and_the_scale_in_the_checkpoint(tmp_path, shared_cache, monkeypatch):
    config = half(RunConfig.from_dict({**rank_pair.RUN, **{key: rank_pair.CONFIG[key] for key in ("tasks", "backbone")}, "epochs": 2}))
    monkeypatch.setattr(loss_scale, "BEGINNING", 2.0**22)
    said = trained(config, tmp_path / "whole", shared_cache)
    assert 1 < len(said) < 10  # in the first steps, not in all of them
    assert said[-1].text.endswith(f"Steps skipped for this so far: {len(said)}")
    assert {(message.level, message.subject == SKIPPED) for message in said} == {("info", False)}
    begun = trained(config, tmp_path / "stopped", shared_cache, stop=6)
    rest = trained(config, tmp_path / "stopped", shared_cache)
    assert [message.text for message in begun + rest] == [message.text for message in said]
    last = read_index(tmp_path / "whole")["last"]
    one, two = (load_file(tmp_path / run / "checkpoints" / last / "model.safetensors") for run in ("whole", "stopped"))
    assert all(torch.equal(tensor, two[key]) for key, tensor in one.items())


def test_what_fp16_cannot_do_is_said_in_words():
    config = half(RunConfig.from_dict(rank_pair.CONFIG))
    assert problems(config) == []
    assert "precision 'fp16' is made for GPUs without bf16. Few processors compute in fp16; on others it is slower than fp32" in remarks(config)
    [problem] = problems(half(RunConfig.from_dict({**rank_pair.CONFIG, "update": {"name": "task_vectors"}})))
    assert problem.field == "precision"
    assert "here a step has an update for each task. Take 'bf16' or 'fp32'" in problem.message


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_sees_no_scale(shared_cache, monkeypatch):
    config = half(CASES["pcgrad"], device="cuda")
    one, two = (at_scale(monkeypatch, scale, config, shared_cache) for scale in (2.0**8, 2.0**12))
    assert_close(one["network"], two["network"], "network", ROUNDED)
