"""The means of the curves, and what a step leaves out where nothing needs it. The numbers of a run stay the same to the last bit."""

from dataclasses import replace

import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.training.build import build
from mtl_core.training.execution import Execution
from mtl_core.training.parts import resolve
from mtl_core.training.step_averages import StepResult, Window

BASE = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "ink": {}},
    "backbone": {"name": "mlp", "hidden": [8]},
    "batch_size": 16,
    "device": "cpu",
    "precision": "fp32",
    "layout": "contiguous",
}
SUMS = ("losses", "present", "coefficients", "combined")


def made(cache, **changes):
    return build(resolve(RunConfig.from_dict({**BASE, **changes})), cache)


def results(count):
    """Steps of two tasks whose numbers differ so much in size that another order of additions gives other bits."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        losses = torch.randn(2, generator=generator) * 10 ** torch.randint(-3, 4, (2,), generator=generator)
        present = torch.rand(2, generator=generator) < 0.8
        yield StepResult(losses, present, losses.sum(), torch.rand(2, generator=generator), {"gradient_norm": losses.abs()})


def test_sums_are_those_of_adding_step_after_step():
    weights = torch.ones(2)
    window, sums = Window(("a", "b"), weights), [torch.zeros(2), torch.zeros(2), torch.zeros(2), torch.zeros(())]
    for number, result in enumerate(results(400)):
        if number == 250:
            weights.copy_(torch.tensor([0.3, 1.7]))  # a live change of the loss weights, in place
        if number in (100, 101, 300):  # a checkpoint in the middle of a window
            window.state_dict()
        window.add(result)
        values = (result.losses, result.present, result.coefficients * weights, result.combined)
        sums = [total + value for total, value in zip(sums, values, strict=True)]
    state = window.state_dict()
    assert all(torch.equal(state[name], total) for name, total in zip(SUMS, sums, strict=True))
    assert not torch.equal(torch.stack([each.losses for each in results(400)]).sum(0), sums[0])  # so the order does matter here
    assert state["steps"] == len(state["noted"]["gradient_norm"]) == 400


def test_a_window_that_was_saved_and_opened_goes_on_as_if_it_had_not_been():
    whole, parts = Window(("a", "b"), torch.ones(2)), Window(("a", "b"), torch.ones(2))
    for number, result in enumerate(results(30)):
        whole.add(result)
        if number == 17:
            opened = Window(("a", "b"), torch.ones(2))
            opened.load_state_dict(parts.state_dict())
            parts = opened
        parts.add(result)
    assert whole.close(30) == parts.close(30)
    assert whole.close(31) == {}  # a new window has begun


def test_a_method_may_change_its_coefficients_in_place_after_the_step():
    window, coefficients = Window(("a", "b"), torch.ones(2)), torch.tensor([0.25, 0.75])
    window.add(StepResult(torch.ones(2), torch.ones(2, dtype=torch.bool), torch.tensor(2.0), coefficients))
    coefficients.zero_()
    assert window.close(1)["loss_weight/b"] == 0.75


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, 0.5], [0.0, 1.0], [2.0, 3.0]])
def test_weighted_losses_and_their_gradients(weights, shared_cache):
    network = made(shared_cache).network
    raw = torch.tensor([0.7, 1.3], requires_grad=True)
    network.weigh([3.0, 3.0])
    network.weigh(weights)  # as live: the last ones count
    weighted = network.weighted([raw[0] * 1, raw[1] * 1])
    assert torch.equal(torch.stack(weighted), raw * torch.tensor(weights))
    assert [loss.requires_grad for loss in weighted] == [weight > 0 for weight in weights]
    sum(weighted).backward()
    assert raw.grad.tolist() == weights


def test_a_step_starts_without_the_gradients_of_the_step_before(shared_cache):
    setup, other = made(shared_cache), made(shared_cache)
    batch, after = [batch for _, batch in zip(range(2), setup.run.train_batches.epoch(0), strict=False)]
    for each in (setup, other):
        each.network.model.train()
        each.update(batch, 1)
    for parameter in setup.network.model.parameters():
        parameter.grad = torch.full_like(parameter, 1e3)
    assert torch.equal(setup.update(after, 2).losses, other.update(after, 2).losses)
    for mine, theirs in zip(setup.network.model.parameters(), other.network.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"tasks": {"digit": {}}}, set()),
        ({"conflict_every": 0, "gradient_norms": False}, set()),
        ({"conflict_every": 0}, {"gradient_norm", "gradient_share"}),
        ({"gradient_norms": False}, {"conflict", "conflict_share"}),
        ({"gradient_norms": False, "balancing": {"name": "pcgrad"}}, {"conflict", "conflict_share"}),
        ({"conflict_every": 0, "gradient_norms": False, "affinity_every": 1}, {"affinity"}),
        ({"conflict_every": 0, "sharing": {"name": "cross_stitch"}, "balancing": {"name": "pcgrad"}}, {"gradient_norm", "gradient_share"}),
    ],
)
def test_a_step_measures_what_is_asked_for(changes, keys, shared_cache):
    setup = made(shared_cache, **changes)
    setup.network.model.train()
    result = setup.update(next(iter(setup.run.train_batches.epoch(0))), 1)
    assert {key.split("/")[0] for key in result.extras} == keys
    assert setup.update.measures == bool(keys)


def test_own_epochs_are_known(shared_cache):
    assert not made(shared_cache, epochs=3).run.has_own_epochs
    assert not made(shared_cache, epochs=3, tasks={"digit": {"stop_epoch": 3}, "ink": {}}).run.has_own_epochs
    assert made(shared_cache, epochs=3, tasks={"digit": {"stop_epoch": 2}, "ink": {}}).run.has_own_epochs
    assert made(shared_cache, epochs=3, tasks={"digit": {"start_epoch": 2}, "ink": {}}).run.has_own_epochs


def test_precision_inside_the_context_of_the_forward_pass():
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with Execution("cpu", precision, "contiguous").autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


def test_a_task_of_which_no_image_is_labelled_has_no_part_in_the_means(shared_cache):
    setup = made(shared_cache)
    setup = replace(setup, run=replace(setup.run, complete=frozenset()))
    update = type(setup.update)(setup.run, setup.network, setup.update.options)
    batch = next(iter(setup.run.train_batches.epoch(0)))
    none = torch.zeros_like(batch.labelled["ink"])
    setup.progress.window.add(update(replace(batch, labelled={**batch.labelled, "ink": none}), 1))
    assert {"train/digit/loss"} == {key for key in setup.progress.window.close(1) if key.startswith("train/")}
