"""``gradient_clip`` over everything, or over the shared network alone."""

from __future__ import annotations

import pytest
import torch

from mtl_core.config import RunConfig
from mtl_core.training.build import build
from mtl_core.training.parts import resolve
from mtl_core.training.run_info import run_info

CONFIG = {
    "data": {"name": "digits"},
    "tasks": {"digit": {}, "slant": {"loss_weight": 10.0}},
    "backbone": {"name": "mlp", "hidden": [16]},
    "optimizer": {"name": "sgd", "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0},
    "schedule": {"name": "constant", "warmup_fraction": 0.0},
    "batch_size": 256,
    "precision": "fp32",
    "layout": "contiguous",
    "device": "cpu",
}


def moved(cache, **changes):
    """How far one step of plain SGD (a rate of 1: by the gradient) moves the shared network, and each head."""
    setup = build(resolve(RunConfig.from_dict({**CONFIG, **changes})), cache)
    update, model = setup.update, setup.network.model.train()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    update(next(iter(setup.run.train_batches.epoch(0))), 1)
    steps = {id(parameter): parameter.detach() - old for parameter, old in zip(model.parameters(), before, strict=True)}
    parts = [model.shared_parameters(), *(model.task_parameters(task) for task in model.tasks)]
    return [torch.cat([steps[id(parameter)].flatten() for parameter in part]) for part in parts]


@pytest.mark.parametrize("balancing", ["fixed", "mgda"])
def test_clipping_all_shortens_every_part_alike(balancing, shared_cache):
    balancing = {"balancing": {"name": balancing}}
    plain = moved(shared_cache, **balancing)
    cut = moved(shared_cache, gradient_clip=0.1, **balancing)
    assert torch.cat(cut).norm().item() == pytest.approx(0.1, rel=1e-4)
    factor = 0.1 / torch.cat(plain).norm()
    for one, other in zip(cut, plain, strict=True):
        torch.testing.assert_close(one, other * factor, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("balancing", ["fixed", "mgda"])
def test_clipping_the_shared_network_leaves_the_heads(balancing, shared_cache):
    balancing = {"balancing": {"name": balancing}}
    plain = moved(shared_cache, **balancing)
    shared, *heads = moved(shared_cache, gradient_clip=0.1, gradient_clip_over="shared", **balancing)
    assert plain[0].norm() > 0.1
    torch.testing.assert_close(shared, plain[0] * 0.1 / plain[0].norm(), rtol=1e-3, atol=1e-6)
    for one, other in zip(heads, plain[1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_task_vectors_clip_each_tasks_copy_so(shared_cache):
    update = {"update": {"name": "task_vectors", "local_steps": 1, "alpha": 1.0}, "tasks": {"slant": {"loss_weight": 10.0}}}
    plain = moved(shared_cache, **update)
    shared, head = moved(shared_cache, gradient_clip=0.1, gradient_clip_over="shared", **update)
    assert shared.norm().item() == pytest.approx(0.1, rel=1e-3)
    torch.testing.assert_close(head, plain[1], rtol=1e-5, atol=1e-7)
    assert torch.cat(moved(shared_cache, gradient_clip=0.1, **update)).norm().item() == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "heads"),
    [
        ({}, ""),
        ({"balancing": {"name": "gradnorm"}}, ""),
        ({"balancing": {"name": "mgda"}}, "times the loss weight that was set"),
        ({"balancing": {"name": "db_mtl"}}, "divided by the loss"),
        ({"update": {"name": "task_vectors"}}, "times the loss weight that was set"),
    ],
)
def test_a_run_tells_what_its_coefficients_do_not_say_of_the_heads(changes, heads, shared_cache):
    """For the caption under the chart of loss weights."""
    setup = build(resolve(RunConfig.from_dict({**CONFIG, **changes})), shared_cache)
    said = run_info(setup)["heads"]
    assert heads in said if heads else said == ""
