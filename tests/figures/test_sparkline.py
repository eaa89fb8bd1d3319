"""The small line of a task's share of the gradient."""

import base64
import re

import numpy as np
import pytest

from mtl_core.figures.sparkline import INSET, share_sparkline


def svg_of(uri):
    return base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,")).decode()


def points_of(svg):
    return [tuple(map(float, point.split(","))) for point in re.search('<polyline points="([^"]*)"', svg).group(1).split()]


@pytest.mark.parametrize(("share", "level"), [(0.0, 34 - INSET), (0.5, 17.0), (1.0, INSET)])
def test_a_constant_share_is_a_level_line_over_the_whole_width(share, level):
    points = points_of(svg_of(share_sparkline(np.full(5, share), "#123456", even=0.5, width=200, height=34)))
    assert points == [(50.0 * place, level) for place in range(5)]


def test_the_equal_split_has_a_line_of_its_own_and_nan_is_left_out():
    svg = svg_of(share_sparkline(np.array([0.5, np.nan, 0.5]), "#123456", even=0.25, width=200, height=43))
    assert f'd="M0 {INSET + 0.75 * 40:.1f}H200"' in svg
    assert points_of(svg) == [(0.0, 21.5), (200.0, 21.5)]


def test_no_values_are_no_line():
    assert "polyline" not in svg_of(share_sparkline(np.full(3, np.nan), "#123456", even=0.5))
    assert "polyline" not in svg_of(share_sparkline(np.zeros(0), "#123456", even=0.5))
