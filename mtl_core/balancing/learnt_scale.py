"""One learnt number per task, trained by the run's optimizer. Uncertainty weighting and IMTL-L use it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class LearntScales(nn.ParameterList):
    """T numbers that start at 0, each a parameter of its own.

    An optimizer does not change a parameter without a gradient. In one vector the number of an absent task would have a gradient of 0, and momentum
    would still move it.
    """

    def __init__(self, task_count: int):
        super().__init__(nn.Parameter(torch.zeros(())) for _ in range(task_count))


def split_vector(state: dict[str, Any], old: str, new: str) -> None:
    """Replace the vector ``old`` (T,) of a state_dict, which earlier versions kept, by T numbers ``new.0``, ``new.1``, ..., in place."""
    if old in state:
        state.update({f"{new}.{row}": number.clone() for row, number in enumerate(state.pop(old))})
