"""Standardisation: which mean and spread the batches subtract and divide by. It is done on the device, so nothing is prepared anew for it."""

from __future__ import annotations

from typing import Any

import numpy as np


def standardised(statistics: dict[str, Any], how: str) -> dict[str, Any]:
    """``PreparedData.statistics`` with the ``mean`` and ``std`` that images are to be normalised with.

    Args:
        how: ``channels`` as measured on train; ``together`` one mean and spread over all channels; ``none`` 0 and 1, so that values stay in 0..1.
    """
    if how == "channels":
        return statistics
    mean, std = np.array(statistics["mean"]), np.array(statistics["std"])
    if how == "none":
        mean, std = np.zeros_like(mean), np.ones_like(std)
    else:  # the spread of a mixture: within the channels, and between their means
        std = np.full_like(std, np.sqrt(np.mean(std**2) + np.var(mean)))
        mean = np.full_like(mean, mean.mean())
    return {**statistics, "mean": mean.tolist(), "std": std.tolist()}
