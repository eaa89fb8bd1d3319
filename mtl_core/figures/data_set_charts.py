"""Charts of a data set: coverage of the tasks' targets, and distributions of classes, values and boxes, as Plotly figures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mtl_core.language import tr

GRID = "rgba(128,128,128,0.18)"
SPLIT_OPACITY = {"train": 1.0, "val": 0.55, "test": 0.28}  # of a task's colour
LACKING = "rgba(128,128,128,0.16)"
MOST_CLASSES = 40  # bars in one chart
MOST_POINTS = 2000  # boxes drawn in one chart


def coverage_figure(bands: Mapping[str, np.ndarray], sizes: Mapping[str, int], colours: Mapping[str, str]) -> go.Figure:
    """Label coverage: a row per task, a band of images per column, in the task's colour where the images have its target.

    Args:
        bands: split -> float (B, T) share of labelled images in 0..1, from ``coverage_bands``.
        sizes: split -> number of images; the splits are side by side, with widths in proportion.
        colours: task -> CSS colour, in the order of the T tasks.
    """
    names = list(colours)
    whole = sum(size for split, size in sizes.items() if len(bands[split])) or 1
    traces, ticks, begin = [], [], 0
    for split, shares in bands.items():
        if not len(shares):
            continue
        edges = np.linspace(begin, begin + sizes[split], len(shares) + 1)
        traces += [_coverage_row(edges, shares[:, place], place, name, colours[name], split) for place, name in enumerate(names)]
        ticks.append((begin + sizes[split] / 2, f"{tr(split)}<br>{sizes[split]:,}"))
        begin += sizes[split]
    layout = _layout(60 + 30 * len(names))
    layout["xaxis"] |= {"tickvals": [tick for tick, _ in ticks], "ticktext": [text for _, text in ticks], "range": [0, whole], "showgrid": False}
    layout["yaxis"] |= {
        "tickvals": list(range(len(names))),
        "ticktext": [_short(name) for name in names],
        "range": [len(names) - 0.5, -0.5],
        "showgrid": False,
    }
    edges = np.cumsum([sizes[split] for split in bands if len(bands[split])])[:-1]
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": "rgba(128,128,128,0.9)", "width": 2}}
    layout["shapes"] = [{**line, "x0": int(edge), "x1": int(edge)} for edge in edges]
    return go.Figure(traces, layout)


def _coverage_row(edges: np.ndarray, shares: np.ndarray, place: int, name: str, colour: str, split: str) -> go.Heatmap:
    return go.Heatmap(
        x=edges,
        y=[place - 0.42, place + 0.42],
        z=shares[None],
        zmin=0,
        zmax=1,
        colorscale=[(0.0, LACKING), (1.0, colour)],
        showscale=False,
        hovertemplate=f"{_short(name)}, {tr(split)}<br>{tr('images %{x:,.0f}: %{z:.0%} labelled')}<extra></extra>",
    )


def class_figure(classes: Sequence[str], counts: Mapping[str, np.ndarray], totals: Mapping[str, int], colour: str, noun: str = "images") -> go.Figure:
    """Share of a split's images (or boxes, pixels) per class, with a bar per split. Shows class balance and differences between the splits.

    Args:
        classes: K names; the most frequent ``MOST_CLASSES`` in train are drawn, in the order given.
        counts: split -> int (K,).
        totals: split -> the count that is 100 %; splits with 0 are omitted.
        noun: noun of the counted things.
    """
    reference = next(iter(counts.values()))
    order = np.sort(np.argsort(-reference, kind="stable")[:MOST_CLASSES])
    names = [_short(classes[int(place)]) for place in order]
    traces = []
    for split, numbers in counts.items():
        if not totals[split]:
            continue
        look = _bar_look(colour, split)
        hover = f"%{{x}}, {tr(split)}: %{{customdata:,}} {tr(noun)} (%{{y:.1%}})<extra></extra>"
        traces.append(go.Bar(x=names, y=numbers[order] / totals[split], customdata=numbers[order], name=tr(split), marker=look, hovertemplate=hover))
    layout = _layout(230, legend=True) | {"barmode": "group", "bargap": 0.25}
    layout["xaxis"] |= {"type": "category", "showgrid": False}
    layout["yaxis"] |= {"tickformat": ".0%", "title": {"text": tr("share of {things}", things=tr(noun)), "standoff": 4}}
    return go.Figure(traces, layout)


def histogram_figure(edges: np.ndarray, counts: Mapping[str, np.ndarray], colour: str, unit: str, noun: str = "images") -> go.Figure:
    """Histogram of a number: overlaid step lines, one per split, as shares of the split's total.

    Args:
        edges: float (B + 1,).
        counts: split -> int (B,); splits without values are omitted.
        noun: noun of the things that have a value.
    """
    traces = []
    for split, numbers in counts.items():
        total = numbers.sum()
        if not total:
            continue
        first = not traces
        line = {"color": colour, "width": 2 if first else 1.6, "shape": "hv", "dash": {"train": "solid", "val": "dash"}.get(split, "dot")}
        shares = np.append(numbers, numbers[-1]) / total
        hover = f"{tr(split)}{tr(', from %{x:.4g}: %{y:.1%} of')} {tr(noun)}<extra></extra>"
        fill = {"fill": "tozeroy", "fillcolor": _faint(colour)} if first else {}
        traces.append(go.Scatter(x=edges, y=shares, mode="lines", line=line, name=tr(split), hovertemplate=hover, **fill))
    layout = _layout(230, legend=True)
    layout["xaxis"] |= {"title": {"text": tr(unit), "standoff": 4}, "showgrid": False, "tickformat": ".4~g"}
    layout["yaxis"] |= {"tickformat": ".1~%", "rangemode": "tozero", "title": {"text": tr("share of {things}", things=tr(noun)), "standoff": 4}}
    return go.Figure(traces, layout)


def box_figure(boxes: np.ndarray, image_size: tuple[int, int], colour: str) -> go.Figure:
    """Scatter plot of the boxes' width and height, with the image's rectangle.

    Args:
        boxes: float (B, 2) width and height in pixels. At most about ``MOST_POINTS``, evenly spread, are drawn.
        image_size: (H, W) in pixels.
    """
    height, width = image_size
    step = max(1, -(-len(boxes) // MOST_POINTS))
    shown = boxes[::step]
    look = {"color": colour, "size": 5, "opacity": 0.35}
    points = go.Scatter(
        x=shown[:, 0],
        y=shown[:, 1],
        mode="markers",
        marker=look,
        hovertemplate=tr("%{x:.0f} x %{y:.0f} pixels") + "<extra></extra>",
        showlegend=False,
    )
    layout = _layout(230)
    layout["xaxis"] |= {"title": {"text": tr("width in pixels"), "standoff": 4}, "range": [0, width * 1.03]}
    layout["yaxis"] |= {"title": {"text": tr("height in pixels"), "standoff": 4}, "range": [0, height * 1.03]}
    frame = {"color": "rgba(128,128,128,0.7)", "width": 1, "dash": "dot"}
    layout["shapes"] = [{"type": "rect", "x0": 0, "y0": 0, "x1": width, "y1": height, "line": frame}]
    return go.Figure([points], layout)


def counts_figure(numbers: Mapping[str, np.ndarray], colour: str, title: str) -> go.Figure:
    """Frequency of each whole number (boxes per image), as shares of each split's images.

    Args:
        numbers: split -> int (n,).
    """
    most = max((int(values.max()) for values in numbers.values() if len(values)), default=0)
    step = max(1, -(-(most + 1) // 40))
    places = np.arange(0, most + 1, step)
    names = [str(place) if step == 1 else f"{place}-{place + step - 1}" for place in places]
    traces = []
    for split, values in numbers.items():
        if not len(values):
            continue
        found = np.bincount(values // step, minlength=len(places))
        look = _bar_look(colour, split)
        hover = f"%{{x}}, {tr(split)}: %{{customdata:,}} {tr('images')} (%{{y:.1%}})<extra></extra>"
        traces.append(go.Bar(x=names, y=found / len(values), customdata=found, name=tr(split), marker=look, hovertemplate=hover))
    layout = _layout(230, legend=True) | {"barmode": "group", "bargap": 0.25}
    layout["xaxis"] |= {"type": "category", "showgrid": False, "title": {"text": tr(title), "standoff": 4}}
    layout["yaxis"] |= {"tickformat": ".0%", "title": {"text": tr("share of {things}", things=tr("images")), "standoff": 4}}
    return go.Figure(traces, layout)


def _layout(height: int, *, legend: bool = False) -> dict[str, Any]:
    axis = {"automargin": True, "zeroline": False, "gridcolor": GRID, "fixedrange": True}
    return {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 26 if legend else 6, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "uirevision": "keep",
        "xaxis": {**axis},
        "yaxis": {**axis, "nticks": 5},
    }


def _bar_look(colour: str, split: str) -> dict[str, Any]:
    """A split's bars: faint ones have an outline, so that they are seen. An opacity would not show in the legend."""
    return {"color": _faint(colour, SPLIT_OPACITY.get(split, 1.0)), "line": {"color": colour, "width": 1}}


def _faint(colour: str, opacity: float = 0.18) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def _short(text: str, longest: int = 22) -> str:
    """Shorten and escape a name for Plotly, which interprets some HTML; names come from outside."""
    return html.escape(text if len(text) <= longest else text[: longest - 1] + "…", quote=False)
