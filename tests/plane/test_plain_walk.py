"""The sum's way on the toy, against plain NumPy: the published formulas, their gradients by hand, and Adam as published."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_core.plane.cagrad_toy import CAGradToy
from mtl_core.plane.walk import Walk

STEPS, STEP, FIRST_SCALE = 250, 0.01, 0.1


def summed_gradient(x: float, y: float) -> np.ndarray:
    """Of ``0.1 * first + second`` at a point above or below y = 0."""
    half, whole = np.tanh(y / 2), np.tanh(y)
    upper, lower = max(half, 0.0), max(-half, 0.0)
    slope = (1 - half * half) / 2
    found = np.zeros(2)
    for scale, valley, bottom in ((FIRST_SCALE, (-x - 7) / 2 + whole, 7), (1.0, (-x + 3) / 2 + whole + 2, -7)):
        height, steepness = np.log(max(abs(valley), 0.000005)) + 6, np.sign(valley) / max(abs(valley), 0.000005)
        bowl = ((-x + bottom) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20
        across = upper * steepness * -0.5 + lower * -2 * (-x + bottom) / 10
        up = upper * steepness * (1 - whole * whole) + lower * 0.2 * (y + 8) / 10
        up += slope * height if y > 0 else -slope * bowl
        found += scale * np.array([across, up])
    return found


@pytest.mark.parametrize("start", [(-8.5, 7.5), (-7.5, -0.5), (9.0, -1.0)])
def test_the_sum_walks_as_plain_code_does(start):
    walk = Walk(CAGradToy(), "fixed", start, step=STEP)
    walk.advance(STEPS)
    point, mean, square = np.array(start), np.zeros(2), np.zeros(2)
    for step in range(1, STEPS + 1):
        gradient = summed_gradient(*point)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        point = point - STEP * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    assert np.linalg.norm(point - start) > 1
    assert walk.points[-1] == pytest.approx(point, abs=0.01)
