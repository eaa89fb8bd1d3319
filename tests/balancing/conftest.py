"""A model small enough to compute by hand, and losses whose gradients are known."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mtl_core.balancing import BALANCERS


class TwoParts(nn.Module):
    """Stands for a multi-task model: one shared parameter vector, one own number per task."""

    def __init__(self, tasks: int, shared: int = 2):
        super().__init__()
        self.tasks = tuple(f"t{number}" for number in range(tasks))
        self.trunk = nn.Parameter(torch.linspace(1.0, 2.0, shared))
        self.own = nn.ParameterList(nn.Parameter(torch.ones(1)) for _ in self.tasks)

    def shared_parameters(self):
        return [self.trunk]

    def task_parameters(self, task):
        return [self.own[self.tasks.index(task)]]


def make(name: str, tasks: int, **options):
    balancer_class = BALANCERS.load(name)
    return balancer_class(balancer_class.Options(**options), tasks)


def linear_losses(model: TwoParts, slopes, values=None) -> torch.Tensor:
    """loss_t = slope_t . trunk + own_t, moved to the value 2 + t (or the given one): the gradient on the trunk is slope_t, on own_t it is 1."""
    return torch.stack(separate_losses(model, slopes, values))


def separate_losses(model: TwoParts, slopes, values=None) -> list[torch.Tensor]:
    """``linear_losses`` as a step gives them: kept apart, so that a backward pass from one visits no other task's parameters."""
    losses = [torch.as_tensor(slope, dtype=torch.float32) @ model.trunk + own.sum() for slope, own in zip(slopes, model.own, strict=True)]
    values = values or [2.0 + number for number in range(len(losses))]
    return [loss - loss.detach() + value for loss, value in zip(losses, values, strict=True)]


def everyone(count: int) -> torch.Tensor:
    return torch.ones(count, dtype=torch.bool)


def one_step(name: str, slopes, values=None, balancer=None, **options):
    """One backward of ``linear_losses``: the trunk's gradient (P,) and the coefficients (T,)."""
    count = len(slopes)
    model = TwoParts(count, len(slopes[0]))
    balancer = balancer or make(name, count, **options)
    _, coefficients = balancer.backward(linear_losses(model, slopes, values), everyone(count), model)
    return model.trunk.grad, coefficients


@pytest.fixture
def toy() -> SimpleNamespace:
    return SimpleNamespace(
        TwoParts=TwoParts, make=make, linear_losses=linear_losses, separate_losses=separate_losses, everyone=everyone, one_step=one_step
    )
