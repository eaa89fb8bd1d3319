"""What the browser gets for a chart."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from mtl_core.analysis.scalar_rows import scalar_rows
from mtl_core.figures.curves import Curve, curve_chart, curve_figure
from mtl_core.language import speaking
from ui.drawing import plotly_chart
from ui.drawing.plotly_chart import prepared
from ui.drawing.plotly_script import SCRIPT
from ui.drawing.run_charts import View, current_chart


def test_a_chart_has_the_pages_background_and_its_own_grid_colour_where_it_sets_one():
    figure = go.Figure([go.Scatter(x=[1, 2], y=[3, 4])], {"height": 200, "xaxis": {"gridcolor": "#123456"}, "yaxis": {"title": {"text": "loss"}}})
    layout = json.loads(prepared(figure, "a line")["figure"])["layout"]
    assert {layout["paper_bgcolor"], layout["plot_bgcolor"]} == {"rgba(0,0,0,0)"}
    assert (layout["xaxis"]["gridcolor"], layout["yaxis"]["gridcolor"]) == ("#123456", "rgba(128,128,128,0.18)")


def test_plotly_says_its_own_words_in_the_readers_language():
    assert "locales" not in plotly_chart._config()
    with speaking("zh"):
        config = plotly_chart._config()
    said = config["locales"][config["locale"]]["dictionary"]
    assert (said["Zoom in"], said["Reset axes"]) == ("放大", "重置坐标轴")
    assert not [text for text, translation in said.items() if translation == text]
    script = SCRIPT.read_text(encoding="utf-8")
    assert [text for text in said if text not in script] == []  # Plotly looks them up by exactly these words


RISING = Curve("a", np.arange(500.0), np.random.default_rng(0).random(500), "#000000", smooth=True)
GAPPED = Curve("b", np.arange(3.0), np.array([1.0, np.nan, 2.0]), "#000000", "dash")


@pytest.mark.parametrize(
    ("curves", "looks"),
    [
        ([], {}),
        ([RISING], {"smoothing": 0.6, "marks": [(3.0, "a change"), (5.0, "")], "legend": True}),
        ([RISING, GAPPED], {"zero_line": "#8A8A8A", "x_range": (0, 500)}),
        ([RISING], {"zero_line": "#8A8A8A", "marks": [(3.0, "")]}),
        ([GAPPED], {"log_y": True, "share": True, "y_title": "loss"}),
        ([Curve("a", np.zeros(0), np.zeros(0), "#000000"), GAPPED], {"x_title": "step"}),
    ],
    ids=["empty", "marks", "zero", "zero and marks", "log", "one is empty"],
)
def test_plain_values_give_the_text_of_the_figure(curves, looks):
    """Plotly's own figure and its JSON are the reference."""
    plain, figure = prepared(curve_chart(curves, **looks), "a line"), prepared(curve_figure(curves, **looks), "a line")
    assert json.loads(plain["figure"]) == json.loads(figure["figure"])
    assert (plain["height"], plain["alt"]) == (figure["height"], figure["alt"])


@pytest.mark.parametrize(("factor", "height", "ticks"), [(1.0, 84, 2), (1.5, 126, 5), (2.0, 168, 5)])
def test_a_chart_that_is_made_higher_has_the_ticks_of_its_height(factor, height, ticks):
    feed = {"figures": {}, "rows": scalar_rows(pd.DataFrame({"key": [], "step": []})), "row": 0, "marks": None}

    def build(_):
        return curve_chart([RISING], height=84, marks=[(3.0, "a change")])

    chart = current_chart(feed, "loss", View(0.0, "step", False, height=factor), build, "a line")
    layout = json.loads(chart["figure"])["layout"]
    assert (layout["height"], layout["yaxis"]["nticks"]) == (height, ticks)
