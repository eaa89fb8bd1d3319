"""Student's interval of a mean: of differences between seeds, and between images. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEVEL = 0.95


def t_interval(differences: Sequence[float] | np.ndarray, level: float = LEVEL) -> tuple[float, float]:
    """Student's interval of the mean of (n,) values, n >= 2."""
    mean, error, free = moments(differences)
    half = t_factor(free, level) * error
    return mean - half, mean + half


def t_factor(degrees_of_freedom: int, level: float = LEVEL) -> float:
    """Half the interval's width in standard errors: 4.30 for 3 seeds, 2.78 for 5, 2.26 for 10 at 95 %."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, 0.5 + level / 2))


def moments(differences: Sequence[float] | np.ndarray) -> tuple[float, float, int]:
    """Mean, standard error of the mean, degrees of freedom."""
    values = np.asarray(differences, float)
    if len(values) < 2:
        raise ValueError(f"expected at least two values, found {len(values)}")
    spread = 0.0 if np.ptp(values) == 0 else float(values.std(ddof=1))  # rounding of the mean of equal values is no spread
    return float(values.mean()), spread / math.sqrt(len(values)), len(values) - 1
