"""Points that no other point beats, and the volume that they dominate. Pure functions; higher is better in every column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether ``first`` is nowhere worse and somewhere better."""
    pairs = list(zip(first, second, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def front(points: Sequence[Sequence[float]]) -> list[int]:
    """Places of the points that no other point dominates, in the given order; equal points are all in it."""
    return [place for place, point in enumerate(points) if not any(dominates(other, point) for other in points)]


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Volume between the points and a reference point that is worse in every column; exact, by slices along the last column.

    A point that is not better than the reference in every column adds nothing. The cost grows as points ** columns: for up to 5 columns and some
    dozens of points.
    """
    inside = np.asarray([point for point in points if all(a > b for a, b in zip(point, reference, strict=True))], float)
    return 0.0 if not len(inside) else _volume(inside - np.asarray(reference, float))


def _volume(points: np.ndarray) -> float:
    if points.shape[1] == 1:
        return float(points.max())
    points = points[np.argsort(-points[:, -1], kind="stable")]
    heights = np.append(points[:, -1], 0.0)
    slices = [(place + 1, heights[place] - heights[place + 1]) for place in range(len(points))]
    return float(sum(_volume(points[:count, :-1]) * height for count, height in slices if height > 0))
