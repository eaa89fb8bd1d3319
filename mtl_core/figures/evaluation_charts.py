"""Charts of an evaluation as Plotly figures: confusion, curves, calibration, scatter, errors by depth, regret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from mtl_core.figures.colours import ink_on
from mtl_core.language import mark, tr

if TYPE_CHECKING:
    from mtl_core.analysis.regret import Regret

GREY = "rgba(128,128,128,0.8)"
GRID = "rgba(128,128,128,0.18)"
POINTS = 1500  # of a scatter
MOST_COST = 200  # %
MOST_RECALL, LEAST_ZOOM = 0.9, 0.5  # beyond it precision falls steeply; below it the whole axis is shown
LONG_TITLE = 32  # characters of an axis title in a small chart
MOST_EPOCH_TICKS = 8
STEEP = 50  # times the median of the bars
MOST_PAIRS = 16  # classes of two networks
SHOWN_NUMBERS = 13  # a matrix with more classes has no numbers in its cells


def _layout(height: int, **more: object) -> dict[str, object]:
    plain = {"height": height, "margin": {"l": 8, "r": 8, "t": 8, "b": 8}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
    return {**plain, "uirevision": "keep", "showlegend": False, **more}


def _axis(title: str, **more: object) -> dict[str, object]:
    return {"automargin": True, "zeroline": False, "gridcolor": GRID, "title": {"text": tr(title), "standoff": 6}, **more}


def _no_more_ticks_than_room(names: Sequence[str]) -> dict[str, object]:
    step = max(1, -(-len(names) // 26))
    places = list(range(0, len(names), step))
    return {"tickvals": places, "ticktext": [names[place] for place in places]}


def confusion_figure(
    matrix: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    counted: str,
    colour: str,
    titles: tuple[str, str] = (mark("true"), mark("predicted")),
    height: int = 380,
    uncoloured: str = "",
) -> go.Figure:
    """Confusion matrix: colour shows the root of the share of the row, so that rare mistakes are seen, text the count. Axis values are indices of
    the names.

    Args:
        titles: axis titles of rows and columns.
        uncoloured: a column excluded from the shares, because it has nearly all counts and would leave the other cells without colour.
    """
    part = matrix * np.array([name != uncoloured for name in columns])
    total = part.sum(1, keepdims=True)
    share = np.divide(part, total, out=np.zeros(matrix.shape), where=total > 0)
    trace = go.Heatmap(
        z=np.sqrt(share),
        x=list(range(len(columns))),
        y=list(range(len(rows))),
        customdata=np.stack(
            np.broadcast_arrays(matrix.astype(object), np.array([*columns], object), np.array([*rows], object)[:, None], share.astype(object)), -1
        ),
        hovertemplate=f"{tr(titles[0])}: %{{customdata[2]}}<br>{tr(titles[1])}: %{{customdata[1]}}<br>%{{customdata[0]:,}} {tr(counted)}"
        + tr(", %{customdata[3]:.1%} of the row")
        + "<extra></extra>",
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(128,128,128,0.07)"], [1, colour]],
        xgap=1,
        ygap=1,
        showscale=False,
    )
    x = {**_axis(titles[1], showgrid=False, fixedrange=True), **_no_more_ticks_than_room(columns)}
    y = {**_axis(titles[0], showgrid=False, fixedrange=True, autorange="reversed"), **_no_more_ticks_than_room(rows)}
    return go.Figure([trace], _layout(height, xaxis=x, yaxis=y, annotations=_numbers(matrix, share, colour)))


def _numbers(matrix: np.ndarray, share: np.ndarray, colour: str) -> list[dict[str, object]]:
    """Annotations with the counts: in the page's text colour, or on a strong cell in the colour that is readable on it."""
    if max(matrix.shape) > SHOWN_NUMBERS:
        return []
    strong = {"font": {"color": "rgb({},{},{})".format(*ink_on(bytes.fromhex(colour[1:])))}}
    plain = {"showarrow": False}
    return [
        {
            **plain,
            "x": int(column),
            "y": int(row),
            "text": short_count(matrix[int(row), int(column)]),
            **(strong if share[row, column] > 0.36 else {}),
        }
        for row, column in np.argwhere(matrix > 0)
    ]


def short_count(count: float) -> str:
    """A count in short form, such as 7, 950, 12.3k, 4.1M."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if count >= size:
            return f"{count / (1e6 if letter == 'M' else 1e3):.3g}{letter}"
    return f"{count:g}"


def class_curves_figure(curves: np.ndarray, names: Sequence[str], shown: int | None, kind: str, colour: str, height: int = 260) -> go.Figure:
    """Curves of all classes, with one class in colour.

    Args:
        curves: (K, 2, P), padded with NaN. shown: index of the class in colour; None for all grey.
        kind: ``pr`` or ``roc``.
    """
    traces = []
    for place in sorted(range(len(names)), key=lambda place: place == shown):
        x, y = curves[place][:, ~np.isnan(curves[place][0])]
        if len(x):
            line = {"color": colour if place == shown else GREY, "width": 2.5 if place == shown else 1}
            about = f"{names[place]}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>"
            traces.append(go.Scatter(x=x, y=y, mode="lines", line=line, name=names[place], hovertemplate=about))
    titles = (tr("recall"), tr("precision")) if kind == "pr" else (tr("false positive rate"), tr("true positive rate"))
    lowest = _lowest(curves) if kind == "pr" else 0.0
    ordinate = tr("{metric}, from {lowest:.1f} on", metric=titles[1], lowest=lowest) if lowest else titles[1]
    axes = {"xaxis": _axis(titles[0], range=[-0.02, 1.02]), "yaxis": _axis(ordinate, range=[lowest - 0.02 * (1 - lowest), 1 + 0.04 * (1 - lowest)])}
    shapes = [{"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": {"color": GREY, "width": 1, "dash": "dot"}}] if kind == "roc" else []
    return go.Figure(traces, _layout(height, shapes=shapes, **axes))


def class_pairs_figure(names: Sequence[str], first: np.ndarray, second: np.ndarray, colours: tuple[str, str], height: int = 300) -> go.Figure:
    """Two networks' values (K,) of each class as points on a line, the largest difference on top; at most ``MOST_PAIRS`` classes."""
    there = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    shown = there[np.argsort(-np.abs(first[there] - second[there]), kind="stable")][:MOST_PAIRS][::-1]
    ends = np.stack([first[shown], second[shown], np.full(len(shown), np.nan)], 1).ravel()
    rows = np.repeat(np.arange(len(shown)), 3)
    traces = [go.Scatter(x=ends, y=rows, mode="lines", line={"color": GREY, "width": 1.5}, hoverinfo="skip", showlegend=False)]
    for letter, values, colour, symbol in zip("AB", (first, second), colours, ("circle", "diamond"), strict=True):
        about = [f"{letter}, {names[place]}: {values[place]:.3f}" for place in shown]
        look = {"color": colour, "size": 9, "symbol": symbol}
        traces.append(go.Scatter(x=values[shown], y=np.arange(len(shown)), mode="markers", marker=look, name=letter, text=about, hoverinfo="text"))
    labels = {"tickvals": list(range(len(shown))), "ticktext": [names[place] for place in shown]}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    axes = {"xaxis": _axis(""), "yaxis": {**_axis("", showgrid=False), **labels}}
    return go.Figure(traces, {**_layout(height, **axes), "showlegend": True, "legend": legend})


def _lowest(curves: np.ndarray) -> float:
    """Where the axis of precision begins: at 0, or just below all curves' values up to a recall of 0.9 where these lie high and close together."""
    values = curves[:, 1][(curves[:, 0] <= MOST_RECALL) & np.isfinite(curves[:, 1])]
    lowest = np.floor(10 * values.min() - 1e-6) / 10 if len(values) else 0.0
    return float(lowest) if lowest >= LEAST_ZOOM else 0.0


def decisions_figure(
    thresholds: np.ndarray, curves: Mapping[str, np.ndarray], chosen: float, default: float, colour: str, height: int = 240
) -> go.Figure:
    """Metrics over the threshold, with a line at the chosen threshold and a dotted one at the default.

    Args:
        thresholds: (T,). curves: title -> (T,); the last one is drawn in the colour.
    """
    looks = [{"color": GREY, "width": 1.5, "dash": dash} for dash in ("dash", "dot")] + [{"color": colour, "width": 2.5}]
    traces = [
        go.Scatter(x=thresholds, y=values, name=tr(title), mode="lines", line=look, hovertemplate="%{y:.3f}")
        for (title, values), look in zip(curves.items(), looks[-len(curves) :], strict=True)
    ]
    lines = [(chosen, {"color": colour, "width": 1.5})] + ([(default, {"color": GREY, "width": 1, "dash": "dot"})] if default != chosen else [])
    shapes = [{"type": "line", "x0": place, "x1": place, "yref": "paper", "y0": 0, "y1": 1, "line": line} for place, line in lines]
    axes = {"xaxis": _axis(mark("threshold"), range=[-0.01, 1.01]), "yaxis": _axis(mark("mean over classes"), range=[-0.02, 1.04])}
    legend = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
    layout = {**_layout(height, hovermode="x unified", shapes=shapes, **axes), "showlegend": True, "legend": legend}
    return go.Figure(traces, layout)


def reliability_figure(bins: np.ndarray, colour: str, height: int = 260) -> go.Figure:
    """Reliability diagram: accuracy per confidence bin; the dotted line is perfect calibration. ``bins`` (B, 3) as in an evaluation."""
    edges = np.linspace(0, 1, len(bins) + 1)
    filled = bins[:, 0] > 0
    size = bins[:, 0] / max(bins[:, 0].sum(), 1)
    middle = ((edges[1:] + edges[:-1]) / 2)[filled]
    parts = ",".join(map(str, bytes.fromhex(colour[1:])))
    fills = [f"rgba({parts},{0.35 + 0.65 * share:.3f})" for share in size[filled] / max(size.max(), 1e-9)]
    bars = go.Bar(
        x=middle,
        y=bins[filled, 2],
        width=0.9 / len(bins),
        marker={"color": fills, "line": {"color": colour, "width": 1}},
        customdata=np.column_stack([bins[filled, 0], bins[filled, 1]]),
        hovertemplate=tr("confidence %{customdata[1]:.3f}<br>right %{y:.3f}<br>%{customdata[0]:,} predictions") + "<extra></extra>",
    )
    line = {"type": "line", "x0": 0, "y0": 0, "x1": 1, "y1": 1, "line": {"color": GREY, "width": 1.5, "dash": "dot"}}
    axes = {"xaxis": _axis(mark("confidence"), range=[0, 1.02]), "yaxis": _axis(mark("share that is right"), range=[0, 1.04])}
    return go.Figure([bars], _layout(height, shapes=[line], **axes))


def scatter_figure(scatter: np.ndarray, unit: str, colour: str, height: int = 380) -> go.Figure:
    """Scatter plot of prediction against target for at most ``POINTS`` images; on the dotted line both are equal. ``scatter`` (N, 3)."""
    taken = scatter[np.linspace(0, len(scatter) - 1, min(POINTS, len(scatter))).astype(int)] if len(scatter) else scatter
    points = go.Scatter(
        x=taken[:, 1],
        y=taken[:, 2],
        mode="markers",
        marker={"color": colour, "size": 5, "opacity": 0.55},
        customdata=taken[:, 0],
        hovertemplate=tr("target %{x:.4g}, predicted %{y:.4g}<br>image %{customdata}") + "<extra></extra>",
    )
    ends = [float(taken[:, 1:].min()), float(taken[:, 1:].max())] if len(taken) else [0.0, 1.0]
    line = {"type": "line", "x0": ends[0], "y0": ends[0], "x1": ends[1], "y1": ends[1], "line": {"color": GREY, "width": 1.5, "dash": "dot"}}
    behind = f", {tr(unit)}" if unit else ""
    axes = {"xaxis": _axis(tr("target") + behind), "yaxis": _axis(tr("predicted") + behind)}
    return go.Figure([points], _layout(height, shapes=[line], **axes))


def by_depth_figure(stretches: np.ndarray, unit: str, colour: str, height: int = 260) -> go.Figure:
    """Mean absolute error by true depth. ``stretches`` (B, 3) as in an evaluation."""
    filled = stretches[stretches[:, 1] > 0]
    bars = go.Bar(
        x=filled[:, 0],
        y=filled[:, 2],
        marker={"color": colour},
        customdata=filled[:, 1],
        hovertemplate=tr("true depth about %{x:.3g}<br>mean error %{y:.3g}<br>%{customdata:,} pixels") + "<extra></extra>",
    )
    behind = f", {tr(unit)}" if unit else ""
    return go.Figure([bars], _layout(height, xaxis=_axis(tr("true depth") + behind), yaxis=_axis(tr("mean absolute error") + behind)))


def by_angle_figure(degrees: np.ndarray, colour: str, height: int = 260) -> go.Figure:
    """Histogram of the pixels' angular errors in degrees. ``degrees`` (180, 2) as in an evaluation."""
    last = int(np.flatnonzero(degrees[:, 1]).max(initial=0)) + 1
    bars = go.Bar(
        x=degrees[:last, 0], y=degrees[:last, 1], marker={"color": colour}, hovertemplate=tr("about %{x:.1f}°: %{y:,} pixels") + "<extra></extra>"
    )
    return go.Figure([bars], _layout(height, xaxis=_axis(mark("angle, °")), yaxis=_axis(mark("pixels"))))


def errors_figure(errors: np.ndarray, title: str, colour: str, height: int = 260) -> go.Figure:
    """Histogram of the images' errors."""
    counts, edges = np.histogram(errors[np.isfinite(errors)], bins=30) if np.isfinite(errors).any() else (np.zeros(1), np.array([0.0, 1.0]))
    bars = go.Bar(
        x=(edges[1:] + edges[:-1]) / 2,
        y=counts,
        width=np.diff(edges) * 0.95,
        marker={"color": colour},
        hovertemplate=tr("about %{x:.3g} · images: %{y:,}") + "<extra></extra>",
    )
    title = tr(title)
    if len(title) > LONG_TITLE:  # the page has four charts in a row
        title = title.replace(", ", ",<br>", 1)
    filled = counts[counts > 0]
    is_steep = len(filled) > 1 and filled.max() > STEEP * np.median(filled)  # one bar would leave the others without a height
    images = _axis(mark("images, logarithmic"), type="log", dtick=1) if is_steep else _axis(mark("images"))
    return go.Figure([bars], _layout(height, xaxis=_axis(title), yaxis=images))


def regret_figure(found: Sequence[Regret], colours: dict[str, str], chosen: int | None, height: int = 230) -> go.Figure:
    """Regret of each task at each epoch, in % of its best value (``mtl_core.analysis.regret``). The axis ends at ``MOST_COST``."""
    traces, largest = [], 0.0
    for regret in found:
        cost = 100 * np.abs(regret.best - regret.values) / abs(regret.best) if regret.best else np.abs(regret.best - regret.values)
        largest = max(largest, float(np.nanmax(cost, initial=0.0)))
        look = {"mode": "lines+markers", "line": {"color": colours[regret.task], "width": 2}, "marker": {"size": 5}}
        traces.append(go.Scatter(x=regret.epochs, y=cost, name=regret.task, hovertemplate="%{y:,.3~r} %", **look))
    place_mark = {
        "type": "line",
        "x0": chosen,
        "x1": chosen,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": GREY, "width": 1.5, "dash": "dash"},
    }
    words = {"x": chosen, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "text": tr("chosen"), "font": {"color": GREY, "size": 11}}
    marks = {"shapes": [place_mark], "annotations": [words]} if chosen is not None else {"annotations": []}
    costs, cut = _axis(mark("% worse than its best"), rangemode="tozero", nticks=5), ""
    if largest > MOST_COST:  # usually the first epoch, which would flatten the rest
        costs["range"] = [-0.02 * MOST_COST, MOST_COST]
        cut = f" ({tr('cut at {most} %; the worst is {largest:,.0f} %', most=MOST_COST, largest=largest)})"
    every = max(1, -(-max((len(regret.epochs) for regret in found), default=1) // MOST_EPOCH_TICKS))  # whole epochs only
    # Beside the axis, where no line and no mark crosses it.
    axes = {"xaxis": _axis(tr("epoch") + cut, showgrid=False, tick0=0, dtick=every), "yaxis": costs}
    legend = {"orientation": "h", "x": 0, "y": 1.1, "yanchor": "bottom"}
    return go.Figure(
        traces,
        {
            **_layout(height, hovermode="x unified", **marks, **axes),
            "showlegend": True,
            "legend": legend,
            "margin": {"l": 8, "r": 8, "t": 44, "b": 8},
        },
    )
