"""Heat map of a matrix of numbers that a sharing scheme learns, such as stitch coefficients or gate weights."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

# Grey to blue, each colour light enough for dark text, in both themes.
SCALE = [(0.0, "#9AA3AE"), (1.0, "#4FA3DB")]


def learnt_figure(values: np.ndarray, rows: list[str], columns: list[str], span: tuple[float, float], height: int = 240) -> go.Figure:
    """Heat map with the number in each cell.

    Args:
        values: (rows, columns); NaN is left empty.
        rows: names, from the top. columns: names, from the left.
        span: the values that get the first and the last colour; those of all epochs, so that a colour means the same in each.
    """
    texts = [["" if np.isnan(value) else f"{value:.2f}" for value in row] for row in values]
    trace = go.Heatmap(
        z=values,
        x=columns,
        y=rows,
        text=texts,
        texttemplate="%{text}",
        textfont={"color": "#101418"},
        colorscale=SCALE,
        zmin=span[0],
        zmax=span[1],
        showscale=False,
        xgap=2,
        ygap=2,
        hoverongaps=False,
        hovertemplate="%{y}, %{x}: %{z:.4f}<extra></extra>",
    )
    layout = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 6, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "uirevision": "keep",
        "xaxis": {"type": "category", "automargin": True, "showgrid": False, "fixedrange": True},
        "yaxis": {"type": "category", "automargin": True, "showgrid": False, "autorange": "reversed", "fixedrange": True},
    }
    return go.Figure([trace], layout)
