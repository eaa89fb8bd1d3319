"""Walk: one balancing method that moves a point over a landscape, and what all methods make of gradients that are given by hand.

The methods are the classes that train networks. Nothing of them is written again here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtl_core.balancing import BALANCERS
from mtl_core.errors import ConfigError, Problem
from mtl_core.plane.landscape import TASKS, Landscape
from mtl_core.randomness import Generators
from mtl_core.registry import validated

FARTHEST = 1e4  # a point beyond has left every landscape


class PointModel(nn.Module):
    """A network of shared parameters only: ``point`` (P,). It is what a balancing method needs of a multi-task network."""

    def __init__(self, tasks: Sequence[str], start: Sequence[float]):
        super().__init__()
        self.tasks = tuple(tasks)
        self.point = nn.Parameter(torch.tensor(start, dtype=torch.float32))

    def shared_parameters(self) -> list[nn.Parameter]:
        return [self.point]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        return []


class Walk:
    """One method's way from a start.

    Args:
        method: a balancing method's name; options: its options, defaults for what is missing.
        start: (x, y).
        optimizer: ``adam`` or ``sgd``. step: its learning rate.
        seed: of methods that draw random numbers.

    Attributes:
        points: list of (x, y), the start first.
        losses: list of both losses at each point.
        coefficients: list of the coefficients (2,) of each step.
        stopped: why it goes no further; empty while it does.

    Raises:
        ConfigError: the method or an option is unknown, or asks for the gradients at features, which a point has not.
    """

    def __init__(
        self,
        landscape: Landscape,
        method: str,
        start: tuple[float, float],
        options: Mapping[str, Any] | None = None,
        optimizer: str = "adam",
        step: float = 0.0,
        seed: int = 0,
    ):
        self.landscape, self.method = landscape, method
        self.model, self._lowest = PointModel(TASKS, start), torch.tensor(landscape.lowest())
        self.balancer = _balancer(method, options or {}, len(TASKS))
        self.balancer.generators = self.generators = Generators(seed)
        parameters = [*self.model.parameters(), *self.balancer.parameters()]
        rate = step or landscape.step
        self.optimizer = torch.optim.Adam(parameters, lr=rate) if optimizer == "adam" else torch.optim.SGD(parameters, lr=rate)
        self.points: list[tuple[float, float]] = [(float(start[0]), float(start[1]))]
        self._here = self.landscape.losses(self.model.point)  # (2,) at the point, with its graph: computed once for the record and for the next step
        self.losses = [tuple(self._here.detach().tolist())]
        self.coefficients: list[tuple[float, ...]] = []
        self.stopped = ""

    def advance(self, steps: int) -> None:
        """Take steps; none after the numbers left the finite ones or the landscape."""
        present = torch.ones(len(TASKS), dtype=torch.bool)
        for _ in range(steps):
            if self.stopped:
                return
            self.optimizer.zero_grad()
            losses = list(self._raised())
            with self._drawing():
                combined, coefficients = self.balancer.backward(losses, present, self.model)
            if not (torch.isfinite(combined) and self.model.point.grad is not None and torch.isfinite(self.model.point.grad).all()):
                self.stopped = "the update is not finite"
                return
            self.optimizer.step()
            self._here = self.landscape.losses(self.model.point)
            self.balancer.after_step(lambda: (self._raised().detach(), present))
            x, y = self.model.point.detach().tolist()
            self.points.append((x, y))
            self.losses.append(tuple(self._here.detach().tolist()))
            self.coefficients.append(tuple(coefficients.detach().tolist()))
            if not all(abs(value) < FARTHEST for value in self.points[-1]):
                self.stopped = "it has left the plane"

    def _raised(self) -> Tensor:
        return self._here - self._lowest + 1

    def _drawing(self) -> Any:
        return self.generators.drawing() if self.balancer.may_draw() else nullcontext()


def updates_by_hand(gradients: np.ndarray, methods: Mapping[str, Mapping[str, Any]], seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What methods make of gradients at their first step, each loss being 1.

    Args:
        gradients: float (T, 2), a row for each task, none of them 0.
        methods: name -> options.

    Returns:
        Method -> the combined gradient (2,) and the coefficients (T,). Training moves against the combined gradient.

    Raises:
        ConfigError: a method or an option is unknown.
    """
    rows = torch.as_tensor(np.asarray(gradients), dtype=torch.float32)
    found = {}
    for name, options in methods.items():
        model = PointModel([f"task {number + 1}" for number in range(len(rows))], (0.0, 0.0))
        balancer = _balancer(name, options, len(rows))
        balancer.generators = generators = Generators(seed)
        losses = [row @ model.point + 1.0 for row in rows]
        with generators.drawing() if balancer.may_draw() else nullcontext():
            _, coefficients = balancer.backward(losses, torch.ones(len(rows), dtype=torch.bool), model)
        assert model.point.grad is not None
        found[name] = (model.point.grad.numpy().copy(), coefficients.detach().numpy().copy())
    return found


def _balancer(method: str, options: Mapping[str, Any], tasks: int) -> Any:
    balancer_class = BALANCERS.load(method, "method")
    balancer = balancer_class(validated(balancer_class.Options, dict(options), method), tasks)
    if balancer.at_features:
        raise ConfigError(Problem("gradients", "a point on the plane has no features; choose 'parameters'"))
    return balancer
