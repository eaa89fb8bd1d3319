"""The range in which a metric's values lie, where that is known: what is drawn around a mean stays in it. Pure functions."""

from __future__ import annotations

import math

import numpy as np

_SHARES = ("accuracy", "f1", "map", "map_50", "pck", "oks_ap", "oks_ap_50", "there", "within_11", "within_22", "within_30", "delta1", "auc", "found")
_SHARES += ("miou", "pixel_accuracy", "exact")  # of something counted, or a mean of such shares
_ERRORS = ("mae", "rmse", "error", "distance")
_RANGES = {"r2": (-math.inf, 1.0), "alignment": (-1.0, 1.0)} | dict.fromkeys(_SHARES, (0.0, 1.0)) | dict.fromkeys(_ERRORS, (0.0, math.inf))
_ANGLES = {"mean": (0.0, 180.0), "median": (0.0, 180.0)}
UNBOUNDED = (-math.inf, math.inf)


def range_of(name: str, unit: str = "") -> tuple[float, float]:
    """The lowest and the highest possible value of a metric; infinite where there is none, or where it is not known."""
    if unit == "°" and name in _ANGLES:
        return _ANGLES[name]
    return UNBOUNDED if unit and name not in _ERRORS else _RANGES.get(name, UNBOUNDED)


def range_of_scalar(key: str) -> tuple[float, float]:
    """That of a scalar, such as ``val/digit/accuracy``."""
    split, _, rest = key.partition("/")
    return range_of(rest.rpartition("/")[2]) if split in ("train", "val", "test") and "/" in rest else UNBOUNDED


def cut_band(mean: np.ndarray, half: np.ndarray, bounds: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper edge of a band around a mean, each (n,), cut at the ends of the range."""
    return np.maximum(mean - half, bounds[0]), np.minimum(mean + half, bounds[1])
