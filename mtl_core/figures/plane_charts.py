"""Charts of the plane: contours of two losses, methods on their way, and the same ways over the two losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from mtl_core.figures.colours import DRAWN_BY_HAND, GREY
from mtl_core.language import tr

FIRST, SECOND, FRONT = *DRAWN_BY_HAND[:2], GREY
LEVELS, HEIGHT = 14, 520
_LONGEST = 2.2  # length of the longest arrow on the plane, in its units


@dataclass(frozen=True)
class Path:
    """One method's way.

    Attributes:
        name: in the legend. colour, dash: of its line.
        points, losses: (n, 2), the start first.
    """

    name: str
    colour: str
    dash: str
    points: np.ndarray
    losses: np.ndarray


@dataclass(frozen=True)
class Arrows:
    """Directions of descent at one point: of each loss, (2, 2), and of a method's update, (2,), with its name and colour."""

    point: tuple[float, float]
    losses: np.ndarray
    update: np.ndarray
    name: str
    colour: str


def plane_figure(
    grid: tuple[np.ndarray, np.ndarray, np.ndarray], front: np.ndarray, paths: Sequence[Path], start: tuple[float, float], arrows: Arrows | None
) -> go.Figure:
    """The plane.

    Args:
        grid: as ``Landscape.grid`` gives it. front: (n, 2), may be empty.
    """
    x, y, values = grid
    figure = go.Figure()
    hover = tr("x %{x:.1f}, y %{y:.1f}: first loss %{z:.3g}, second %{customdata:.3g}") + f"<extra>{tr('click: start here')}</extra>"
    figure.add_heatmap(x=x, y=y, z=values[0], customdata=values[1], opacity=0, showscale=False, hovertemplate=hover)  # takes the clicks
    for loss, colour, name in zip(values, (FIRST, SECOND), (tr("first loss"), tr("second loss")), strict=True):
        figure.add_contour(
            x=x, y=y, z=loss, name=name, showlegend=True, showscale=False, hoverinfo="skip", ncontours=LEVELS,
            contours={"coloring": "none"}, line={"color": colour, "width": 1},
        )  # fmt: skip
    if len(front):
        figure.add_scatter(x=front[:, 0], y=front[:, 1], mode="lines", name=tr("front"), line={"color": FRONT, "width": 5}, hoverinfo="skip")
    for path in paths:
        line = {"color": path.colour, "dash": path.dash, "width": 2.5}
        figure.add_scatter(x=path.points[:, 0], y=path.points[:, 1], mode="lines", name=path.name, line=line, hoverinfo="skip")
        last = {"size": 9, "color": path.colour, "line": {"width": 1, "color": "white"}}
        figure.add_scatter(x=path.points[-1:, 0], y=path.points[-1:, 1], mode="markers", showlegend=False, hoverinfo="skip", marker=last)
    place_mark = {"symbol": "x", "size": 10, "color": FRONT}
    figure.add_scatter(x=[start[0]], y=[start[1]], mode="markers", name=tr("start"), marker=place_mark, hoverinfo="skip")
    if arrows is not None:
        _draw_arrows(figure, arrows)
    _lay_out(figure, tr("parameter {axis}", axis=1), tr("parameter {axis}", axis=2), "plane")
    figure.update_xaxes(range=[x[0], x[-1]], constrain="domain")
    figure.update_yaxes(range=[y[0], y[-1]], scaleanchor="x", constrain="domain")
    return figure


def losses_figure(front: np.ndarray, paths: Sequence[Path]) -> go.Figure:
    """The same ways over the two losses; lower left is better. front: (n, 2) losses, may be empty."""
    figure = go.Figure()
    if len(front):
        order = front[front[:, 0].argsort()]
        figure.add_scatter(x=order[:, 0], y=order[:, 1], mode="lines", name=tr("front"), line={"color": FRONT, "width": 5}, hoverinfo="skip")
    for path in paths:
        line = {"color": path.colour, "dash": path.dash, "width": 2.5}
        figure.add_scatter(x=path.losses[:, 0], y=path.losses[:, 1], mode="lines", name=path.name, line=line, showlegend=False)
        last = {"size": 9, "color": path.colour, "line": {"width": 1, "color": "white"}}
        figure.add_scatter(x=path.losses[-1:, 0], y=path.losses[-1:, 1], mode="markers", name=path.name, showlegend=False, marker=last)
    _lay_out(figure, tr("first loss (lower is better)"), tr("second loss (lower is better)"), "losses")
    return figure


def _draw_arrows(figure: go.Figure, arrows: Arrows) -> None:
    directions = [*arrows.losses, arrows.update]
    longest = max((float(np.hypot(*direction)) for direction in directions), default=0.0)
    if not longest or not np.isfinite(longest):
        return
    for direction, colour, width in zip(directions, (FIRST, SECOND, arrows.colour), (2, 2, 3.5), strict=True):
        across, up = np.asarray(direction) / longest * _LONGEST
        figure.add_annotation(
            x=arrows.point[0] + across, y=arrows.point[1] + up, ax=arrows.point[0], ay=arrows.point[1], xref="x", yref="y", axref="x", ayref="y",
            showarrow=True, arrowhead=2, arrowsize=0.7, arrowwidth=width, arrowcolor=colour, text="",
        )  # fmt: skip


def _lay_out(figure: go.Figure, across: str, up: str, revision: str) -> None:
    figure.update_layout(
        height=HEIGHT, margin={"l": 50, "r": 10, "t": 10, "b": 45}, uirevision=revision, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, dragmode="pan",
    )  # fmt: skip
    grid = "rgba(128,128,128,0.18)"
    figure.update_xaxes(title=across, gridcolor=grid, zerolinecolor=grid)
    figure.update_yaxes(title=up, gridcolor=grid, zerolinecolor=grid)
