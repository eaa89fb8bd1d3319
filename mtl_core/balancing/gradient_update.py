"""What a gradient method decides at a step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Update(NamedTuple):
    """The result of a gradient aggregator.

    Attributes:
        gradient: (P,) for the shared part.
        coefficients: (T',) factors on the rows of the Jacobian, shown in the curves.
        own: (T',) factors on the gradients of each task's own parameters; None for 1.
    """

    gradient: Tensor
    coefficients: Tensor
    own: Tensor | None = None


class Factors(NamedTuple):
    """The result of a gradient combination.

    Attributes:
        coefficients: (T',) factors on the tasks' gradients in the update.
        own: (T',) factors on the gradients of each task's own parameters; None for 1.
        longest: largest norm of the update, which is shortened to it; 0 for no limit.
    """

    coefficients: Tensor
    own: Tensor | None = None
    longest: float = 0.0


def shortened(update: Update, limit: float) -> Update:
    """The update with a norm of at most ``limit``; 0 for no limit."""
    if not limit:
        return update
    # The norm of the update itself: if gradients cancel out, the Gramian's rounding errors exceed it.
    shrink = (limit / torch.linalg.vector_norm(update.gradient)).clamp(max=1.0)
    return Update(update.gradient * shrink, update.coefficients * shrink, update.own)
