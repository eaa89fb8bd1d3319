"""Landscape: two losses over a plane of two parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from mtl_core.balancing.paper import Paper

TASKS = ("first", "second")


class LandscapeOptions(BaseModel):
    """Parent of all options of landscapes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Landscape(ABC):
    """Two losses as functions of a point (x, y).

    Class attributes:
        title, summary: for people; the summary is one sentence.
        paper: the source; None for our own.
        bounds: (lowest x, highest x, lowest y, highest y) of what is drawn.
        starts: points from which methods are compared.
        step: length of one step of plain gradient descent or Adam that suits the landscape.
    """

    title: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[Paper | None] = None
    bounds: ClassVar[tuple[float, float, float, float]]
    starts: ClassVar[tuple[tuple[float, float], ...]]
    step: ClassVar[float]
    Options: ClassVar[type[LandscapeOptions]] = LandscapeOptions
    options: LandscapeOptions

    def __init__(self, options: LandscapeOptions | None = None):
        self.options = options if options is not None else self.Options()

    @abstractmethod
    def losses(self, points: Tensor) -> Tensor:
        """(..., 2) points -> (..., 2): both losses at each, differentiable."""

    @abstractmethod
    def lowest(self) -> tuple[float, float]:
        """A number below which each loss never is. Methods that read losses see them raised, so that they are above 0 as in training."""

    def grid(self, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x (side,), y (side,) over ``bounds``, and both losses, float (2, side, side) with a row for each y."""
        low_x, high_x, low_y, high_y = self.bounds
        x, y = torch.linspace(low_x, high_x, side), torch.linspace(low_y, high_y, side)
        with torch.no_grad():
            values = self.losses(torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1))
        return x.numpy(), y.numpy(), values.movedim(-1, 0).numpy()

    def gradients(self, point: tuple[float, float]) -> np.ndarray:
        """(2, 2): a row for each loss, its gradient at a point."""
        place = torch.tensor(point, requires_grad=True)
        values = self.losses(place)
        return torch.stack([torch.autograd.grad(value, place, retain_graph=True)[0] for value in values]).numpy()

    def front(self) -> np.ndarray:
        """(n, 2) points at which no step improves both losses; empty where they are not known in closed form."""
        return np.zeros((0, 2))
