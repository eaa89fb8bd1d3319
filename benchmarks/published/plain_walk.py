"""A second program for the plane's toy: plain NumPy, with formulas and gradients by hand and each method's closed form for two tasks.

It shares no code with ``mtl_core``. Tests compare the walks of the product with it, and ``benchmarks.published.plane --nearby`` shows with it how far
the ends depend on the start and on the precision. All starts walk side by side, as rows.

Sources: the toy as in the code of CAGrad (https://github.com/Cranial-XIX/CAGrad, ``toy.py``) and Nash-MTL
(https://github.com/AvivNavon/nash-mtl, ``experiments/toy``); Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LEAST = 0.000005
HALVINGS = 60  # of the interval in which CAGrad's weight lies


def gradients(points: np.ndarray, first_scale: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) points -> the gradients (N, 2) of the first and of the second loss, in the points' precision."""
    x, y = points.T
    half, whole = np.tanh(y / 2), np.tanh(y)
    upper, lower = np.maximum(half, 0), np.maximum(-half, 0)
    slope = (1 - half * half) / 2
    found = []
    for scale, valley, lean, bottom in ((first_scale, (-x - 7) / 2 + whole, 1, 7), (1.0, (-x + 3) / 2 - whole + 2, -1, -7)):
        depth = np.maximum(np.abs(valley), LEAST)
        height, steepness = np.log(depth) + 6, np.where(np.abs(valley) >= LEAST, np.sign(valley) / depth, 0)
        bowl = ((x - bottom) ** 2 + (y + 8) ** 2 / 10) / 10 - 20
        across = -upper * steepness / 2 + lower * (x - bottom) / 5
        up = upper * steepness * lean * (1 - whole * whole) + lower * (y + 8) / 50
        up += np.where(y >= 0, slope * height, 0) - np.where(
            y <= 0, slope * bowl, 0
        )  # at y = 0 both, as clamp passed gradients when the papers were written
        found.append((scale * np.stack([across, up], axis=1)).astype(points.dtype))
    return found[0], found[1]


def summed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first + second


def projected(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """PCGrad: each gradient without its part against the other."""
    against = np.minimum(_product(first, second), 0)
    return first + second - against / _product(second, second) * second - against / _product(first, first) * first


def shortest(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """MGDA: the shortest vector between the gradients."""
    apart = first - second
    share = np.clip(-_product(second, apart) / np.maximum(_product(apart, apart), 1e-30), 0, 1)
    return share * first + (1 - share) * second


def bargained(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Nash-MTL: along the sum of the unit gradients, with norm sqrt(2) shortened to 1."""
    direction = first / _length(first) + second / _length(second)
    return direction / _length(direction)


def impartial(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IMTL-G: along the same direction, with coefficients that sum to 1."""
    return (first / _length(first) + second / _length(second)) / (1 / _length(first) + 1 / _length(second))


def conflict_averse(first: np.ndarray, second: np.ndarray, radius: float = 0.5) -> np.ndarray:
    """CAGrad with c = 0.5: the weight is found where the derivative of ``g_w . g_0 + c |g_0| |g_w|`` changes its sign."""
    a, b = first.astype(float), second.astype(float)
    mean = (a + b) / 2
    reach = radius * _length(mean)
    low, high = np.zeros((len(a), 1)), np.ones((len(a), 1))
    for _ in range(HALVINGS):
        share = (low + high) / 2
        weighted = share * a + (1 - share) * b
        rises = _product(a - b, mean) + reach * _product(a - b, weighted) / np.maximum(_length(weighted), 1e-150) > 0
        low, high = np.where(rises, low, share), np.where(rises, share, high)
    return (mean + reach * weighted / np.maximum(_length(weighted), 1e-150)).astype(first.dtype)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "fixed": summed,
    "mgda": shortest,
    "pcgrad": projected,
    "cagrad": conflict_averse,
    "nash_mtl": bargained,
    "imtl_g": impartial,
}


def walk(method: str, starts: np.ndarray, steps: int, rate: float) -> np.ndarray:
    """Starts (N, 2), float32 or float64 -> where Adam is after so many steps with this learning rate, in the same precision."""
    kind = starts.dtype.type
    points, mean, square = starts.copy(), np.zeros_like(starts), np.zeros_like(starts)
    for step in range(1, steps + 1):
        update = METHODS[method](*gradients(points)).astype(kind)
        mean, square = kind(0.9) * mean + kind(0.1) * update, kind(0.999) * square + kind(0.001) * update**2
        points = points - kind(rate / (1 - 0.9**step)) * mean / (np.sqrt(square / kind(1 - 0.999**step)) + kind(1e-8))
    return points


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(axis=1, keepdims=True)


def _length(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(_product(rows, rows))
