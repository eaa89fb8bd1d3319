"""A loss that becomes NaN at a known step: named exactly, or the step is left out as if it had not been."""

import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.errors import NonFiniteLossError
from mtl_core.events import Control, Message, RunEnded
from mtl_core.training import step as step_module
from mtl_core.training.build import build
from mtl_core.training.checkpoint_files import read_index
from mtl_core.training.parts import resolve
from mtl_core.training.step import SkippedStep
from mtl_core.training.trainer import train

DIGITS = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "epochs": 2,
    "batch_size": 8,  # 157 steps an epoch, the curves' points are means of three
    "precision": "fp32",
    "layout": "contiguous",
    "device": "cpu",
    "probe_samples": 2,
}
SCENES = {
    **DIGITS,
    "data": {"name": "digit_scenes", "train_size": 64, "val_size": 16, "test_size": 16, "max_digits": 1},
    "tasks": {"present": {}, "segments": {}},
    "backbone": {"name": "small_cnn", "width": 8},
    "balancing": {"name": "uncertainty"},
    "batch_size": 16,
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spoil(monkeypatch, steps, task=1):
    """The loss of one task is NaN, and so are its gradients, at these steps."""
    original, count = step_module.losses_of, iter(range(1, 10**6))

    def losses_of(*arguments):
        losses, present = original(*arguments)
        if next(count) in steps:
            losses = [loss * torch.nan if place == task else loss for place, loss in enumerate(losses)]
        return losses, present

    monkeypatch.setattr(step_module, "losses_of", losses_of)


@pytest.mark.parametrize("step", [157 + 19, 157 + 20, 157 + 21, 157 + 157])
def test_stop_names_task_and_step_and_keeps_the_last_good_checkpoint(tmp_path, shared_cache, monkeypatch, step):
    spoil(monkeypatch, {step})
    with pytest.raises(NonFiniteLossError, match=rf"the loss of task 'ink' is not a number \(NaN\) at step {step}\.") as caught:
        list(train(RunConfig.from_dict(DIGITS), tmp_path, shared_cache, Control()))
    assert (caught.value.task, caught.value.step) == ("ink", step)
    assert read_index(tmp_path)["last"] == "epoch_0001_step_00000157"


def state_of(setup):
    """Everything that a step changes, as bytes by name."""
    tensors = {f"model.{name}": value for name, value in setup.network.model.state_dict().items()}
    tensors |= {f"balancer.{name}": value for name, value in setup.network.balancer.state_dict().items()}
    for number, values in setup.network.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
    return {name: value.clone() for name, value in tensors.items() if isinstance(value, torch.Tensor)}


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_skipped_step_changes_nothing(shared_cache, monkeypatch, what):
    setup = build(resolve(RunConfig.from_dict({**SCENES, "on_non_finite": "skip"})), shared_cache)
    setup.network.model.train()
    step, batches = setup.update, list(setup.run.train_batches.epoch(0))
    step(batches[0], 1)
    before, rate = state_of(setup), setup.network.optimizer.param_groups[0]["lr"]
    assert any("running_mean" in name for name in before)
    with monkeypatch.context() as patched:
        if what == "loss":
            spoil(patched, {1})
        else:
            backward = setup.network.balancer.backward

            def spoilt(*arguments):
                result = backward(*arguments)
                next(parameter for parameter in setup.network.model.parameters() if parameter.grad is not None).grad[0] = torch.inf
                return result

            patched.setattr(setup.network.balancer, "backward", spoilt)
        with pytest.raises(SkippedStep, match=r"^step 2 was skipped: .*(task 'segments'|norm) was (not a number \(NaN\)|plus infinity)$"):
            step(batches[1], 2)
    after = state_of(setup)
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    step(batches[2], 3)
    assert rate == setup.network.rate.at(1)
    assert setup.network.optimizer.param_groups[0]["lr"] == setup.network.rate.at(3) != setup.network.rate.at(2)  # the schedule has moved on
    assert any(not torch.equal(before[name], value) for name, value in state_of(setup).items())


def test_skip_goes_on_after_bad_steps_and_says_so(tmp_path, shared_cache, monkeypatch):
    spoil(monkeypatch, {20, 21, 300})
    events = list(train(RunConfig.from_dict({**DIGITS, "on_non_finite": "skip"}), tmp_path, shared_cache, Control()))
    assert [event.text for event in events if isinstance(event, Message) and event.level == "warning"] == [
        f"step {step} was skipped: the loss of task 'ink' was not a number (NaN)" for step in (20, 21, 300)
    ]
    assert isinstance(events[-1], RunEnded)
    assert (events[-1].status, events[-1].step) == ("finished", 314)


def test_skip_gives_up_after_ten_in_a_row(tmp_path, shared_cache, monkeypatch):
    spoil(monkeypatch, {5, *range(20, 40)})
    seen = []
    events = train(RunConfig.from_dict({**DIGITS, "on_non_finite": "skip"}), tmp_path, shared_cache, Control())
    with pytest.raises(NonFiniteLossError) as caught:
        seen.extend(events)
    assert (caught.value.task, caught.value.step) == ("ink", 30)
    assert len([event for event in seen if isinstance(event, Message) and "was skipped" in event.text]) == 11
