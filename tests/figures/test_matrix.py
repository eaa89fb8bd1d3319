"""The coloured table of cosines."""

import numpy as np

from mtl_core.figures.matrix import cosine_figure


def test_values_are_written_in_their_cells_and_missing_ones_left_out():
    trace = cosine_figure(np.array([[1.0, -0.25, np.nan], [-0.25, 1.0, 0.5], [np.nan, 0.5, 1.0]]), ["a", "b", "c"]).data[0]
    assert [list(row) for row in trace.text] == [["", "-0.25", ""], ["-0.25", "", "+0.50"], ["", "+0.50", ""]]
    assert (trace.zmin, trace.zmax) == (-1, 1)
    assert list(trace.x) == list(trace.y) == ["a", "b", "c"]
