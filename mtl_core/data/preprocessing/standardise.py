"""Standardisation: the mean and std that normalise the batches. Batches apply them on the device, so the prepared arrays do not change."""

from __future__ import annotations

from typing import Any

import numpy as np


def standardised(statistics: dict[str, Any], how: str) -> dict[str, Any]:
    """``PreparedData.statistics`` with the ``mean`` and ``std`` that normalise the images.

    Args:
        how: ``channels``: as measured on train; ``together``: one mean and std over all channels; ``none``: 0 and 1, so that values stay in 0..1.
    """
    if how == "channels":
        return statistics
    mean, std = np.array(statistics["mean"]), np.array(statistics["std"])
    if how == "none":
        mean, std = np.zeros_like(mean), np.ones_like(std)
    else:  # the variance of a mixture: within the channels plus between their means
        std = np.full_like(std, np.sqrt(np.mean(std**2) + np.var(mean)))
        mean = np.full_like(mean, mean.mean())
    return {**statistics, "mean": mean.tolist(), "std": std.tolist()}
