"""Landscapes: worked values, gradients, and fronts on which the gradients point against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mtl_core.plane import LANDSCAPES
from mtl_core.plane.cagrad_toy import CAGradToy, ToyOptions
from mtl_core.plane.landscape import Landscape
from mtl_core.plane.two_bowls import BowlOptions, TwoBowls

every = pytest.mark.parametrize("landscape", [LANDSCAPES.load(name)() for name in LANDSCAPES], ids=list(LANDSCAPES))
BOWLS = [BowlOptions(), BowlOptions(distance=8, stretch=5, angle=60), BowlOptions(stretch=3, angle=90, second_scale=20)]


def value(landscape: Landscape, x: float, y: float) -> list[float]:
    return landscape.losses(torch.tensor([x, y], dtype=torch.float64)).tolist()


def by_hand(x: float, y: float) -> list[float]:
    """The formulas of the papers' code in plain Python."""
    upper, lower = max(math.tanh(0.5 * y), 0.0), max(math.tanh(-0.5 * y), 0.0)
    valleys = [math.log(max(abs(0.5 * (-x - 7) - math.tanh(-y)), 0.000005)) + 6, math.log(max(abs(0.5 * (-x + 3) + math.tanh(-y) + 2), 0.000005)) + 6]
    bowls = [((-x + 7) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20, ((-x - 7) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20]
    return [upper * valley + lower * bowl for valley, bowl in zip(valleys, bowls, strict=True)]


@pytest.mark.parametrize("point", [(-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0), (3.3, -8.0), (-5.0, 2.0)])
def test_the_toy_is_the_published_one(point):
    assert value(CAGradToy(ToyOptions(first_scale=1)), *point) == pytest.approx(by_hand(*point), abs=1e-9)
    first, second = by_hand(*point)
    assert value(CAGradToy(), *point) == pytest.approx([0.1 * first, second], abs=1e-9)


@pytest.mark.parametrize(("y", "first", "second"), [(0.5, -7 + 2 * math.tanh(0.5), 7 - 2 * math.tanh(0.5)), (6.0, -5.0, 5.0)])
def test_the_valleys_of_the_toy_are_where_the_papers_draw_them(y, first, second):
    """Each loss at height y is lowest at the bottom of its valley. The valleys lean towards each other: far up, x is -5 and 5."""
    x = torch.linspace(-10, 10, 20001, dtype=torch.float64)
    with torch.no_grad():
        lowest = x[CAGradToy().losses(torch.stack([x, torch.full_like(x, y)], dim=-1)).argmin(dim=0)]
    assert lowest.tolist() == pytest.approx([first, second], abs=1e-3)


def test_the_toy_has_a_gradient_at_its_middle():
    """max(tanh(y / 2), 0) passes its gradient at 0: d L / dy = valley / 2, here with both c at 0 and their slopes 1/2 and -1/2."""
    upper, lower = CAGradToy(ToyOptions(first_scale=1)).gradients((0.0, 0.0))
    valleys, bowls = [math.log(3.5) + 6, math.log(3.5) + 6], [(49 + 6.4) / 10 - 20] * 2
    assert upper == pytest.approx([0.0, (valleys[0] - bowls[0]) / 2], abs=1e-5)
    assert lower == pytest.approx([0.0, (valleys[1] - bowls[1]) / 2], abs=1e-5)


def test_two_bowls_by_hand():
    landscape = TwoBowls(BowlOptions(distance=6, second_scale=10))
    assert value(landscape, -3, 0) == pytest.approx([0.0, 36.0])
    assert value(landscape, 3, 4) == pytest.approx([5.2, 16.0])
    long = TwoBowls(BowlOptions(distance=0, stretch=4))
    assert value(long, 2, 0) == pytest.approx([0.4, 0.4])  # across
    assert value(long, 0, 2) == pytest.approx([0.1, 0.1])  # along, a quarter


@every
def test_gradients_are_those_of_differences(landscape):
    for x, y in ((-8.5, 7.5), (4.0, 3.0), (-7.5, -0.5), (9.0, -1.0), (2.0, -6.0)):  # none on a kink of the toy: y = 0 and the valleys' bottoms
        step = 1e-5
        across = np.subtract(value(landscape, x + step, y), value(landscape, x - step, y)) / (2 * step)
        up = np.subtract(value(landscape, x, y + step), value(landscape, x, y - step)) / (2 * step)
        assert landscape.gradients((x, y)) == pytest.approx(np.stack([across, up], axis=1), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("landscape", [CAGradToy(), *(TwoBowls(options) for options in BOWLS)], ids=["toy", "bowls", "turned", "across"])
def test_on_the_front_the_gradients_point_against_each_other(landscape):
    front = landscape.front()
    assert len(front) > 30
    for point in front[2:-2]:
        first, second = landscape.gradients(tuple(point.tolist()))
        assert first @ second / (np.linalg.norm(first) * np.linalg.norm(second)) < -0.99, point


@every
def test_no_loss_is_below_the_lowest(landscape):
    x, y, values = landscape.grid(101)
    assert (values >= np.array(landscape.lowest())[:, None, None]).all()
    assert values.shape == (2, 101, 101)
    assert values[:, 7, 30] == pytest.approx(value(landscape, float(x[30]), float(y[7])), rel=1e-4, abs=1e-4)


@every
def test_every_option_has_a_range_and_words(landscape):
    for name, field in landscape.Options.model_fields.items():
        bounds = {kind for rule in field.metadata for kind in ("ge", "gt", "le") if hasattr(rule, kind)}
        assert "le" in bounds, name
        assert bounds & {"ge", "gt"}, name
        assert field.description.endswith("."), name
    assert landscape.summary.endswith(".")
    assert all(landscape.bounds[0] <= x <= landscape.bounds[1] and landscape.bounds[2] <= y <= landscape.bounds[3] for x, y in landscape.starts)
