"""Exact solvers of the small problems inside MGDA, CAGrad, UPGrad, DualProj, Nash-MTL and FairGrad: T unknowns, from the Gramian alone.

All solvers work on the cosines of the gradients and rescale by the norms afterwards, so that norms of 1e-4 and 1e4 together cost no accuracy.
All arrays are float64 numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

import numpy as np

RIDGE = 1e-12  # keeps linearly dependent gradients solvable; the cosines' diagonal is 1
BARGAIN_RIDGE = 1e-8  # larger: if gradients cancel out, the bargain's weights would grow until they amplify rounding errors
SMALLEST_NORM = 1e-150
MAX_STEPS = 200


def cosines(gramian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gramian (T, T) -> cosines (T, T), made positive semidefinite, and norms (T,). A zero gradient is orthogonal to all others, with norm 0."""
    norms = np.sqrt(np.clip(np.diag(gramian), 0.0, None))
    is_zero = norms < SMALLEST_NORM
    scale = np.where(is_zero, 1.0, norms)
    cosine = gramian / scale[:, None] / scale[None, :]
    cosine[is_zero, :] = cosine[:, is_zero] = 0.0
    np.fill_diagonal(cosine, 1.0)
    values, vectors = np.linalg.eigh((cosine + cosine.T) / 2)
    if values[0] < 0:  # rounding of the float32 scalar products
        cosine = (vectors * np.clip(values, 0.0, None)) @ vectors.T
    return cosine, np.where(is_zero, 0.0, norms)


def nonnegative_quadratic(matrix: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """The x >= 0 (T,) with the smallest 1/2 x'Ax - b'x, by Lawson and Hanson's active sets.

    Args:
        matrix: A (T, T), positive semidefinite, with a diagonal of about 1.
        linear: b (T,).
    """
    count = len(linear)
    scale = np.abs(linear).max(initial=0.0)
    x = np.zeros(count)
    if scale == 0:
        return x
    ridged, target = matrix + RIDGE * np.eye(count), linear / scale
    is_free = np.zeros(count, dtype=bool)
    for _ in range(MAX_STEPS):
        slope = np.where(is_free, -np.inf, target - ridged @ x)
        entering = int(slope.argmax())
        if slope[entering] <= 1e-13 * max(1.0, x.max()):
            break
        is_free[entering] = True
        while True:
            solution = np.zeros(count)
            solution[is_free] = np.linalg.solve(ridged[np.ix_(is_free, is_free)], target[is_free])
            blocked = is_free & (solution <= 0)
            if not blocked.any():
                break
            # Step towards the solution until a component reaches 0; that component leaves the active set.
            steps = x[blocked] / np.maximum(x[blocked] - solution[blocked], SMALLEST_NORM)
            x = np.where(is_free, x + steps.min() * (solution - x), 0.0)
            is_free &= x > 0
            is_free[np.flatnonzero(blocked)[steps.argmin()]] = False
            if not is_free.any():
                break
        x = np.where(is_free, solution, 0.0)
        if not is_free.any():
            break
    return x * scale


def min_norm(gramian: np.ndarray) -> np.ndarray:
    """Weights (T,) on the simplex of the shortest vector in the gradients' convex hull: the smallest w'Gw.

    With v = norm * w they are, up to scale, the minimum of 1/2 v'Cv - sum_i v_i / norm_i over v >= 0. If there are several solutions, any of them.
    """
    cosine, norms = cosines(gramian)
    if (norms == 0).any():
        return (norms == 0) / (norms == 0).sum()
    inverse = norms.min() / norms
    weights = nonnegative_quadratic(cosine, inverse) * inverse
    return weights / weights.sum()


def dual_cone(gramian: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """Weights v (T,) of the projection of sum_i u_i g_i onto the cone of directions that hurt no task: the smallest v'Gv with v >= u.

    Source: Quinton and Rey 2024, proposition 1.

    Args:
        preference: u (T,).
    """
    cosine, norms = cosines(gramian)
    lower = norms * preference
    raised = lower + nonnegative_quadratic(cosine, -cosine @ lower)
    return np.where(norms > 0, raised / np.where(norms > 0, norms, 1.0), preference)


def conflict_averse(gramian: np.ndarray, radius: float) -> np.ndarray:
    """Weights (T,) on the simplex with the smallest g_w . g_0 + c |g_0| |g_w|, g_0 the mean gradient (Liu et al. 2021, algorithm 1).

    For |g_w| = t this is the shortest convex combination of the gradients g_i + s g_0 with s = t / (c |g_0|). A root search finds the s that
    is consistent with its own t.

    Args:
        radius: c, above 0.
    """
    count = len(gramian)
    trace = np.trace(gramian)
    if trace <= 0:
        return np.full(count, 1 / count)
    cosine, norms = cosines(gramian)
    gram = cosine * norms[:, None] * norms[None, :] / trace
    mean = np.full(count, 1 / count)
    mean_norm = np.sqrt(max(mean @ gram @ mean, 0.0))
    if mean_norm < 1e-12:
        return min_norm(gram)

    def shortest(shift: float) -> tuple[np.ndarray, float]:
        lift = np.eye(count) + shift * mean[None, :]
        weights = min_norm(lift @ gram @ lift.T)
        return weights, np.sqrt(max(weights @ gram @ weights, 0.0))

    def too_small(log_shift: float) -> float:
        shift = np.exp(log_shift)
        length = max(shortest(shift)[1], 1e-300)
        return np.log(length) - np.log(shift * radius * mean_norm)

    longest = np.sqrt(np.diag(gram).max())
    low, high = np.log(longest) - 40, np.log(longest / (radius * mean_norm)) + 1e-9
    return shortest(np.exp(_root(too_small, low, high)))[0]


def fair(gramian: np.ndarray, alpha: float) -> np.ndarray:
    """The positive weights w (T,) with Gw = w^(-1/alpha), elementwise (Ban and Ji 2024, eq. 4; alpha = 1: Navon et al. 2022).

    They minimise the convex 1/2 w'Gw - sum_i f(w_i), f' = w^(-1/alpha); solved by Newton's method in norm * w with steps that stay positive.
    A zero gradient gets weight 0.
    """
    cosine, norms = cosines(gramian)
    moving = norms > 0
    weights = np.zeros(len(gramian))
    if not moving.any():
        return weights
    cosine = cosine[np.ix_(moving, moving)] + BARGAIN_RIDGE * np.eye(int(moving.sum()))
    power = 1 / alpha
    factor = norms[moving] ** (power - 1)
    x = factor ** (1 / (1 + power))  # exact for orthogonal gradients

    def objective(x: np.ndarray) -> float:
        gained = np.log(x) if power == 1 else x ** (1 - power) / (1 - power)
        return cast("float", 0.5 * x @ cosine @ x - factor @ gained)

    for _ in range(MAX_STEPS):
        slope = cosine @ x - factor * x**-power
        if np.abs(slope * x**power / factor).max() <= 1e-9:
            break
        step = -np.linalg.solve(cosine + np.diag(power * factor * x ** (-power - 1)), slope)
        decrease = -slope @ step
        shrinking = step < 0
        length = min(1.0, 0.95 / np.max(-step[shrinking] / x[shrinking])) if shrinking.any() else 1.0
        start = objective(x)
        rounding = 1e-12 * abs(start)  # near the minimum, rounding hides the decrease of the objective
        while objective(x + length * step) > start - 1e-4 * length * decrease + rounding and length > 1e-12:
            length /= 2
        before, x = x, x + length * step
        if np.array_equal(x, before):  # rounding hides the slope's rest, and every further step would be this one again
            break
    weights[moving] = x / norms[moving]
    return weights


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """The root of a decreasing function, to 1e-10; the end of the interval beyond which it lies."""
    from scipy.optimize import brentq  # here, because its import takes about half a second

    known = cache(function)  # brentq asks for the ends again
    if known(low) <= 0:
        return low
    if known(high) >= 0:
        return high
    return cast("float", brentq(known, low, high, xtol=1e-10))
