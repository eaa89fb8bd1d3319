"""Two bowls: convex losses, each with its own lowest point. What lies between the two points is the front."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from mtl_core.plane.landscape import Landscape, LandscapeOptions


class BowlOptions(LandscapeOptions):
    """The shape of the bowls."""

    distance: float = Field(6.0, ge=0, le=16, description="Distance between the two lowest points. At 0 the tasks want the same.")
    stretch: float = Field(
        1.0, ge=1, le=20, description="How many times longer than wide each bowl is. Gradients of long bowls conflict far from the front."
    )
    angle: float = Field(0.0, ge=0, le=90, description="Angle between the long sides of the two bowls, in degrees.")
    second_scale: float = Field(1.0, ge=0.01, le=100, description="Factor on the second loss. It changes its gradients' length and nothing else.")


class TwoBowls(Landscape):
    title: ClassVar[str] = "Two bowls"
    summary: ClassVar[str] = "Two convex losses whose distance, shape and scale can be changed."
    bounds: ClassVar[tuple[float, float, float, float]] = (-10.0, 10.0, -10.0, 10.0)
    starts: ClassVar[tuple[tuple[float, float], ...]] = ((-8.0, 7.0), (0.0, 9.0), (8.0, 6.0), (-6.0, -8.0), (9.0, -3.0))
    step: ClassVar[float] = 0.1
    Options: ClassVar[type[LandscapeOptions]] = BowlOptions
    options: BowlOptions

    def losses(self, points: Tensor) -> Tensor:
        pairs = zip(self._centres(), self._shapes(), (1.0, self.options.second_scale), strict=True)
        found = []
        for centre, shape, scale in pairs:
            away = points - centre.to(points)
            found.append(scale * ((away @ shape.to(points)) * away).sum(-1) / 10)
        return torch.stack(found, dim=-1)

    def lowest(self) -> tuple[float, float]:
        return 0.0, 0.0

    def front(self) -> np.ndarray:
        """Where a weighted sum of both losses is lowest, for weights from 0 to 1 (the losses are convex, so that is the whole front)."""
        (first, second), (a, b) = self._centres(), self._shapes()
        shares = torch.cat([torch.logspace(-4, 0, 60), 1 - torch.logspace(-4, 0, 60)]).sort().values
        points = [torch.linalg.solve((1 - share) * a + share * b, (1 - share) * a @ first + share * b @ second) for share in shares]
        return torch.stack(points).numpy()

    def _centres(self) -> tuple[Tensor, Tensor]:
        half = self.options.distance / 2
        return torch.tensor([-half, 0.0]), torch.tensor([half, 0.0])

    def _shapes(self) -> tuple[Tensor, Tensor]:
        """Positive definite (2, 2) each: short side across, long side turned by half the angle to either side."""
        first, second = (_shape(self.options.stretch, sign * math.radians(self.options.angle) / 2) for sign in (1, -1))
        return first, second


def _shape(stretch: float, turn: float) -> Tensor:
    turned = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return turned @ torch.diag(torch.tensor([1.0, 1 / stretch])) @ turned.T
