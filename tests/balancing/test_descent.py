"""Convex problems under every method: losses fall, and the end is where no direction helps every task."""

from __future__ import annotations

import numpy as np
import torch

from mtl_core.balancing.solvers import min_norm
from tests.balancing.test_contract import every, with_every_option

CURVATURES, GOALS = torch.tensor([[1.0, 3.0], [2.0, 1.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])


def curved_losses(model) -> torch.Tensor:
    """Two convex losses with unequal curvature; what is best for both lies between (0, 0) and (1, 0), own numbers at 0."""
    return (CURVATURES * (model.trunk - GOALS) ** 2).sum(1) + torch.cat([*model.own]) ** 2 + 0.1


DESCENT, LONGER = 60, 160  # steps
BETAS = 0.8, 0.9  # of Adam; with those by default it takes twice as many steps to settle

_descents: dict = {}


def descend(toy, name, **options):
    """The model after a descent; the same one for every test that asks for it."""
    key = (name, str(options))
    if key not in _descents:
        # It swings about the end; a slow running mean; updates that grow as the gradients shrink.
        longer = name == "db_mtl" or "tracking" in options or "max_norm" in options
        _descents[key] = _descent(toy, name, LONGER if longer else DESCENT, **options)
    return _descents[key]


def _descent(toy, name, steps, lr=0.1, **options):
    torch.manual_seed(0)
    model, balancer = toy.TwoParts(2), toy.make(name, 2, **options)
    optimizer = torch.optim.Adam([*model.parameters(), *balancer.parameters()], lr=lr, betas=BETAS, fused=True)  # forgives any size
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * (1 - 0.98 * step / steps)
        optimizer.zero_grad()
        balancer.backward(curved_losses(model), toy.everyone(2), model)
        optimizer.step()
        balancer.after_step(lambda: (curved_losses(model).detach(), toy.everyone(2)))
        if step % 10 == 9:
            balancer.end_epoch()
    return model


@every
def test_a_convex_problem_is_descended(name, toy):
    first = curved_losses(toy.TwoParts(2)).sum().item()
    model = descend(toy, name)
    assert curved_losses(model).sum().item() < 0.2 * first
    assert abs(model.trunk[1].item()) < 0.15  # both tasks want it at 0


@with_every_option("pareto_stationary")
def test_it_comes_to_where_no_direction_helps_every_task(name, options, toy):
    """The shortest convex combination of the gradients, against the gradients' own length."""

    def stationarity(model) -> float:
        jacobian = torch.stack([torch.autograd.grad(loss, model.trunk, retain_graph=True)[0] for loss in curved_losses(model)]).double().numpy()
        weights = min_norm(jacobian @ jacobian.T)
        return float(np.linalg.norm(weights @ jacobian))

    assert stationarity(descend(toy, name, **options)) < 0.02 * stationarity(toy.TwoParts(2))
