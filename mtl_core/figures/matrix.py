"""Heat map of a matrix of cosines between -1 and 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from mtl_core.analysis.conflict_map import as_matrix
from mtl_core.language import HalfUp, tr
from mtl_core.scalar_words import percent

# Orange to blue, through grey: distinguishable with every common colour blindness, and readable on white and on black.
SCALE = [(0.0, "#E8803A"), (0.5, "#9AA3AE"), (1.0, "#4FA3DB")]


def cosine_figure(cosines: np.ndarray, names: list[str], height: int = 260) -> go.Figure:
    """Heat map of pairwise cosines.

    Args:
        cosines: (T, T) in -1..1; NaN is left empty.
        names: of rows and columns.
    """
    shown = cosines.astype(float).copy()
    np.fill_diagonal(shown, np.nan)  # always 1, and it would draw attention to the diagonal
    texts = [["" if np.isnan(value) else _signed(value) for value in row] for row in shown]
    trace = go.Heatmap(
        z=shown,
        x=names,
        y=names,
        text=texts,
        texttemplate="%{text}",
        textfont={"color": "#101418"},  # readable on every colour of the scale, in both themes
        zmin=-1,
        zmax=1,
        colorscale=SCALE,
        xgap=2,
        ygap=2,
        hoverongaps=False,
        hovertemplate=tr("%{y} and %{x}: %{z:.3f}") + "<extra></extra>",
        colorbar={"thickness": 10, "tickvals": [-1, 0, 1], "ticktext": [tr("against"), "0", tr("together")], "len": 0.9},
    )
    layout = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 6, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "uirevision": "keep",
        "xaxis": {"automargin": True, "showgrid": False, "fixedrange": True},
        "yaxis": {"automargin": True, "showgrid": False, "autorange": "reversed", "fixedrange": True},
    }
    return go.Figure([trace], layout)


def affinity_figure(values: np.ndarray, names: list[str], height: int = 260) -> go.Figure:
    """Heat map of affinities: rows are the tasks whose step is taken, columns the tasks whose loss changes.

    Args:
        values: (T, T); NaN is left empty. The diagonal, a task's step for itself, is written but not coloured: it is much larger than the rest.
        names: of rows and columns.
    """
    others = values.astype(float).copy()
    np.fill_diagonal(others, np.nan)
    known = np.abs(others[np.isfinite(others)])
    largest = float(known.max()) if known.size and known.max() > 0 else 1.0
    texts = [["" if np.isnan(value) else percent(value) for value in row] for row in values]
    figure = cosine_figure(np.zeros((0, 0)), [], height)
    figure.data[0].update(
        z=np.where(np.isnan(others) & ~np.isnan(values), 0.0, others),
        x=names,
        y=names,
        text=texts,
        zmin=-largest,
        zmax=largest,
        hovertemplate=tr("a step for %{y} alone changes the loss of %{x}: affinity %{text}") + "<extra></extra>",
        colorbar={"thickness": 10, "tickvals": [-largest, 0, largest], "ticktext": [tr("harms"), "0", tr("helps")], "len": 0.9},
    )
    figure.update_layout(xaxis={"title": {"text": tr("loss of")}}, yaxis={"title": {"text": tr("step for")}})
    return figure


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text


def place_figure(table: Any) -> go.Figure:
    """Heat map of ``conflict_map``: pairs by places, with the mean cosine and the share of points below 0 in each cell."""
    cosines, rows, columns = as_matrix(table, "cosine")
    about = np.stack([as_matrix(table, name)[0] for name in ("share", "low", "high", "points")], axis=-1)
    cells = [[_cell(value, *facts) for value, facts in zip(line, told, strict=True)] for line, told in zip(cosines, about, strict=True)]
    figure = cosine_figure(np.zeros((0, 0)), [], height=70 + 34 * len(rows))
    figure.data[0].update(
        z=cosines,
        x=[tr(place) for place in columns],
        y=rows,
        text=[[text for text, _ in line] for line in cells],
        customdata=about,
        hovertext=[[hover for _, hover in line] for line in cells],
        hovertemplate="%{y}, %{x}: %{hovertext}<extra></extra>",
    )
    return figure


def _cell(cosine: float, share: float, low: float, high: float, points: float) -> tuple[str, str]:
    """Text and hover text of a pair in a place. A single point has no share."""
    if np.isnan(cosine):
        return "", ""
    if points == 1:
        return _signed(cosine), tr("cosine {cosine:.3f} at the only recorded point", cosine=cosine)
    hover = tr(
        "mean cosine {cosine:.3f}; below 0 in {share:.0%} of {points:.0f} points (95 % interval {low:.0%} to {high:.0%})",
        cosine=cosine,
        share=share,
        points=points,
        low=low,
        high=high,
    )
    return f"{_signed(cosine)} · {HalfUp(share):.0%}", hover
