"""Adam for task weights that a balancer trains itself, apart from the run's optimizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def adam_step(memory: dict[str, Any], weights: Tensor, gradient: Tensor, rows: Tensor, lr: float) -> None:
    """One step of Adam (Kingma and Ba 2015, algorithm 1, with its usual constants) on some of the weights (T,), in place.

    Args:
        memory: holds the moments (T,) and each weight's number of steps (T,); they are created if missing.
        gradient: (T',) of the weights ``rows`` (T',); the other weights and their moments do not change.
    """
    if "steps" not in memory:
        memory.update({name: torch.zeros_like(weights) for name in ("first_moment", "second_moment", "steps")})
    memory["steps"][rows] += 1
    moments = []
    for name, power, decay in (("first_moment", 1, 0.9), ("second_moment", 2, 0.999)):
        memory[name][rows] = decay * memory[name][rows] + (1 - decay) * gradient.to(weights) ** power
        moments.append(memory[name][rows] / (1 - decay ** memory["steps"][rows]))
    weights[rows] -= lr * moments[0] / (moments[1].sqrt() + 1e-8)


def rescale_moments(memory: dict[str, Any], factors: Tensor) -> None:
    """Rescale Adam's moments, in place, to gradients that had been ``factors`` (T,) times as large from the first step on."""
    if "steps" in memory:
        memory["first_moment"] *= factors
        memory["second_moment"] *= factors**2
