"""What the browser gets for a chart."""

from __future__ import annotations

import json

import plotly.graph_objects as go

from ui.drawing.plotly_chart import prepared


def test_a_chart_has_the_pages_background_and_its_own_grid_colour_where_it_sets_one():
    figure = go.Figure([go.Scatter(x=[1, 2], y=[3, 4])], {"height": 200, "xaxis": {"gridcolor": "#123456"}, "yaxis": {"title": {"text": "loss"}}})
    layout = json.loads(prepared(figure, "a line")["figure"])["layout"]
    assert {layout["paper_bgcolor"], layout["plot_bgcolor"]} == {"rgba(0,0,0,0)"}
    assert (layout["xaxis"]["gridcolor"], layout["yaxis"]["gridcolor"]) == ("#123456", "rgba(128,128,128,0.18)")
