"""The methods' ways on the toy, against the second program: the papers' formulas in NumPy, gradients by hand, closed forms for two tasks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.published.plain_walk import METHODS, gradients, walk
from benchmarks.published.plane import PUBLISHED
from mtl_core.plane.cagrad_toy import CAGradToy
from mtl_core.plane.walk import Walk

# The papers' starts. In place of (0, 0) a point beside it: there the losses are alike, and Adam makes whole steps of a difference by rounding.
STARTS = tuple(start if start != (0.0, 0.0) else (1.0, 0.0) for start in CAGradToy.starts)
STEPS, STEP = 60, 0.05  # about 3 in each direction: beyond the first conflict, and before a valley's bottom, where rounding decides


@pytest.mark.parametrize("method", METHODS)
def test_methods_walk_as_plain_code_does(method):
    toy = CAGradToy()
    wanted = walk(method, np.array(STARTS), STEPS, STEP)
    for start, end in zip(STARTS, wanted, strict=True):
        path = Walk(toy, method, start, PUBLISHED.get(method), step=STEP)
        path.advance(STEPS)
        assert np.linalg.norm(end - start) > 1
        assert path.points[-1] == pytest.approx(end, abs=0.001), start


def test_the_toys_gradients_are_those_of_plain_code():
    points = np.concatenate([np.random.default_rng(0).uniform(-10, 10, size=(200, 2)), CAGradToy.starts])
    wanted = np.stack(gradients(points), axis=1)
    for point, pair in zip(points, wanted, strict=True):
        assert CAGradToy().gradients(tuple(point.tolist())) == pytest.approx(pair, rel=1e-3, abs=1e-4), point
