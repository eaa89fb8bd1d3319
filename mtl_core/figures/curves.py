"""Line charts of a run's scalars, smoothed, decimated and drawn with Plotly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from mtl_core.language import tr

POINTS = 400  # per trace on screen; a live refresh costs more with more points
MARKED = 12  # curves with at most this many points show each of them; with more, markers would fill the gaps of the dashes
TICKS = 5  # most on the y axis, approximately
X_TICKS = 6
COINCIDING = 1e-3  # relative difference of values up to which two curves are drawn as one line
TICK_HEIGHT = 16  # pixels of a tick's label with the gap to the next
WORDS_HEIGHT = 18  # pixels of the marks' text
EDGE = 0.12  # of the x axis; texts of marks nearer to an end would be cut off if they were centred
BELOW, UNTITLED = 40, 24  # approximate pixels of the x axis with its title, and without
SHARE_SPAN = 0.1  # smallest y range of a chart of shares, so that noise does not fill it; smaller only close to 1
OTHER_SPAN = 0.02  # smallest y range of other charts, relative to the values; of values that are all the same it is their size
AXES = {"step": "step", "epoch": "epoch", "minutes": "minutes"}


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes:
        name: in the legend and on hover.
        x, y: float (n,); y may hold NaN.
        colour: CSS colour.
        dash: Plotly dash style; solid for train, dash for val.
        smooth: whether the smoothing slider applies to it.
        faint: drawn thin and pale behind the others, for the parent run's values.
        band: lower and upper edge, each float (n,), filled behind the line; NaN where there is none. Not drawn while the line is smoothed.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    dash: str = "solid"
    smooth: bool = False
    faint: bool = False
    band: tuple[np.ndarray, np.ndarray] | None = None


def ema(values: np.ndarray, smoothing: float) -> np.ndarray:
    """Exponential moving average with bias correction at the start.

    Args:
        values: (n,); NaN stays NaN and does not enter the average.
        smoothing: from 0 (none) to below 1; the weight of the past in each new value.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing: expected 0 <= smoothing < 1, found {smoothing}")
    values = np.asarray(values, dtype=float)
    smoothed = pd.Series(values).ewm(alpha=1 - smoothing, adjust=True, ignore_na=True).mean().to_numpy(copy=True)
    smoothed[np.isnan(values)] = np.nan
    return smoothed


def decimate(x: np.ndarray, y: np.ndarray, limit: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most ``limit`` (at least 4) of the points, in order: both ends, and the minimum and maximum of each interval between them."""
    x, y = np.asarray(x), np.asarray(y)
    count = len(y)
    if count <= limit:
        return x, y
    inner = y[1:-1].astype(float)
    size = -(-len(inner) // ((limit - 2) // 2))  # ceil
    stretches = -(-len(inner) // size)
    padded = np.full(stretches * size, np.nan)
    padded[: len(inner)] = inner
    padded = padded.reshape(stretches, size)
    missing = np.isnan(padded)
    starts = 1 + size * np.arange(stretches)  # an interval of only NaN gives its first point, which makes a gap in the line
    lowest = starts + np.where(missing, np.inf, padded).argmin(axis=1)
    highest = starts + np.where(missing, -np.inf, padded).argmax(axis=1)
    kept = np.unique(np.concatenate([[0], lowest, highest, [count - 1]]))
    return x[kept], y[kept]


def positions(rows: pd.DataFrame | Mapping[str, np.ndarray], axis: str) -> np.ndarray:
    """Position of each row on the x axis.

    Args:
        rows: with columns ``step``, ``epoch`` and ``wall_time`` (seconds since the run's start).
        axis: ``step``, ``epoch`` or ``minutes``.
    """
    if axis == "minutes":
        return np.asarray(rows["wall_time"], dtype=float) / 60
    return np.asarray(rows[AXES[axis]], dtype=float)


def curve_figure(curves: Iterable[Curve], **looks: Any) -> go.Figure:
    """``curve_chart`` as a figure, with the same arguments."""
    chart = curve_chart(curves, **looks)
    return go.Figure(chart["data"], chart["layout"])


def curve_chart(
    curves: Iterable[Curve],
    *,
    smoothing: float = 0.0,
    x_title: str = "",
    x_range: tuple[float, float] | None = None,
    y_title: str = "",
    log_y: bool = False,
    share: bool = False,
    height: int = 200,
    legend: bool = False,
    marks: Iterable[tuple[float, str]] = (),
    zero_line: str = "",
    nothing: str = "",
) -> dict[str, Any]:
    """A line chart with decimated curves, as Plotly's ``data`` and ``layout``. The raw values of a smoothed curve are drawn faint behind it.

    A live page makes dozens of them a minute: plain values take a third of the time that a figure's checks take.

    Args:
        x_range: ends of the x axis, for charts with a common one; None takes the curves' own.
        share: whether the values are shares of 1. The axis then stays within 0..1 if all values do.
        marks: (position on the x axis, text) of events; each is a vertical line, with its text if that is not empty.
        zero_line: CSS colour of a line at 0; empty for none.
        nothing: text of a chart without values; empty for one that says that there are none yet.

    Smoothing precedes decimation. The constant ``uirevision`` keeps zoom and hidden lines when the page updates a chart in place.
    """
    curves = list(curves)
    traces = [
        trace for curve, width in zip(curves, _widths(curves), strict=True) for trace in _traces(curve, smoothing if curve.smooth else 0.0, width)
    ]
    x_axis: dict[str, Any] = {
        "automargin": True,
        "ticklabeloverflow": "allow",  # the margin has room for them; to look at each costs a live page a seventh of its charts
        "showgrid": False,
        "zeroline": False,
        "rangemode": "tozero",
        **_whole_ticks(curves, x_range),
        "hoverformat": ",.3~f",
        **({"title": {"text": x_title, "standoff": 4}} if x_title else {}),  # Plotly keeps room for an empty title, too
        "autorange": True,
        # Not a range: it changes as the run goes on, and Plotly would take back a zoom with every change.
        **({"autorangeoptions": {"include": list(x_range)}} if x_range else {}),
    }
    y_axis = {
        "automargin": True,
        "ticklabeloverflow": "allow",
        "zeroline": False,
        "gridcolor": "rgba(128,128,128,0.18)",
        "type": "log" if log_y else "linear",
        **({"title": {"text": y_title, "standoff": 2, "font": {"size": 10}}} if y_title else {}),
    }
    layout = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 26 if legend else 6, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "x unified",
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "uirevision": "keep",
        "xaxis": x_axis,
        "yaxis": y_axis,
    }
    _draw_marks(layout, list(marks), _ends(curves, x_range))
    if legend and any(text for _, text in marks):  # the marks' texts are between the chart and the legend
        layout["margin"]["t"] += WORDS_HEIGHT
        layout["legend"]["y"] = 1 + WORDS_HEIGHT / max(height - layout["margin"]["t"] - BELOW, 40)
    values = np.concatenate([np.asarray(y, dtype=float) for curve in curves for y in (curve.y, *(curve.band or ()))] or [np.zeros(0)])
    y_axis |= {"nticks": min(TICKS, fitting_ticks(layout)), **_scale(values, share, log_y, fitting_ticks(layout))}
    if not traces:
        x_axis["visible"] = y_axis["visible"] = False
        note = {
            "text": nothing or tr("no values yet"),
            "showarrow": False,
            "x": 0.5,
            "y": 0.5,
            "xref": "paper",
            "yref": "paper",
        }
        layout["annotations"] = [note]
    if zero_line:
        across = {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "yref": "y", "y0": 0, "y1": 0}
        layout["shapes"] = [*layout.get("shapes", []), {**across, "line": {"color": zero_line, "width": 1.5}}]
    return {"data": traces, "layout": layout}


def fitting_ticks(layout: dict[str, Any]) -> int:
    """How many ticks' labels fit above each other beside the curves of a chart, at least 2. Its margins have room for legend and marks already."""
    below = BELOW if "title" in layout["xaxis"] else UNTITLED
    return max(2, (layout["height"] - layout["margin"]["t"] - below) // TICK_HEIGHT)


def _scale(values: np.ndarray, share: bool, log_y: bool, fitting: int) -> dict[str, Any]:
    """Tick format with enough digits to distinguish the ticks, and a y range where Plotly's own would magnify noise or exceed 0..1.

    Without a range, ``autorange`` is set, because a chart that is updated in place would keep the range of the empty chart.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return {"tickformat": ".3~g", "autorange": True}
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high)) or 1.0
    share = share and low >= 0 and high <= 1
    least = min(SHARE_SPAN, max(2 * (1 - low), SHARE_SPAN / 10)) if share else size if low == high else OTHER_SPAN * size
    scale: dict[str, Any] = {}
    if not log_y and (share or high - low < least):
        scale["range"] = _range(low, high, least, 0.0 if low >= 0 else -np.inf, 1.0 if share else np.inf)
        low, high = scale["range"]
    else:
        scale["autorange"] = True
    if log_y and (positive := values[values > 0]).size and 3 <= (ratio := positive.max() / positive.min()) <= 1000:
        # 1, 2 and 5 of each decade: Plotly's own choice writes all nine digits over each other in a low chart. In a lower one, powers of 10 alone.
        # Within a decade there may be none, and Plotly writes few others.
        scale |= {"dtick": "D2"} if 3 * np.log10(ratio) <= fitting else {"dtick": 1} if ratio >= 10 else {}
    digits = int(np.ceil(np.log10(TICKS * size / max(high - low, 1e-6 * size)))) + 1
    # Without powers of ten where people write none; of longer numbers only the power is read.
    scale["tickformat"] = f",.{max(3, digits)}~r" if 1000 <= size < 1e6 else f".{max(3, digits)}~g"
    return scale


def _whole_ticks(curves: list[Curve], x_range: tuple[float, float] | None) -> dict[str, Any]:
    """Ticks of the x axis. They are whole where all positions are, as steps and the ends of epochs are, and large ones are written as 12,000."""
    places = np.concatenate([np.asarray(x_range or (), dtype=float), *(np.asarray(curve.x, dtype=float) for curve in curves)])
    first, last = _ends(curves, x_range)
    ticks: dict[str, Any] = {"nticks": X_TICKS, "tickformat": ","}
    if len(places) and last - first < X_TICKS and np.array_equal(places, np.round(places)):
        ticks["dtick"] = 1
    return ticks


def _range(low: float, high: float, least: float, floor: float, ceiling: float) -> list[float]:
    """The range of an axis around the values: at least ``least`` long, and beyond floor and ceiling by only half a line's width."""
    span = max(high - low, least)
    bottom = max(floor, min((low + high - span) / 2, ceiling - span))
    return [max(bottom - 0.05 * span, floor - 0.02 * span), min(bottom + 1.05 * span, ceiling + 0.02 * span)]


def _ends(curves: list[Curve], x_range: tuple[float, float] | None) -> tuple[float, float]:
    """The ends of the x axis before anybody zooms, without its margins. It begins at 0 or below."""
    places = np.concatenate([np.asarray(x_range or (), dtype=float), *(np.asarray(curve.x, dtype=float) for curve in curves)])
    places = places[np.isfinite(places)]
    return min(0.0, float(places.min(initial=0.0))), float(places.max(initial=0.0))


def _draw_marks(layout: dict[str, Any], marks: list[tuple[float, str]], ends: tuple[float, float]) -> None:
    grey = "rgba(128,128,128,0.8)"
    line = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "line": {"color": grey, "width": 1, "dash": "dash"}}
    if not marks:
        return
    layout["margin"]["t"] = max(layout["margin"]["t"], 18)  # room for the texts
    layout["minreducedheight"] = 30  # else Plotly takes that room from a low chart, and cuts the texts
    layout["shapes"] = [{**line, "x0": x, "x1": x} for x, _ in marks]
    words = {"yref": "paper", "y": 1, "yanchor": "bottom", "showarrow": False, "font": {"color": grey, "size": 10}}
    near = EDGE * (ends[1] - ends[0])

    def anchor(x: float) -> str:
        return "left" if x < ends[0] + near else "right" if x > ends[1] - near else "center"

    if said := [{**words, "xanchor": anchor(x), "x": x, "text": text} for x, text in marks if text]:
        layout["annotations"] = said


def _widths(curves: list[Curve]) -> list[float]:
    """Line width of each curve. Of coinciding curves the earlier ones are wider, so that every colour is visible."""
    widths: list[float] = []
    later: list[Curve] = []
    for curve in reversed(curves):
        same = sum(_coincide(curve, other) for other in later) if len(curve.y) else 0
        widths.append(2.0 + 3.0 * same)
        later += [] if curve.faint or not len(curve.y) else [curve]
    return widths[::-1]


def _coincide(one: Curve, other: Curve) -> bool:
    """Whether two curves have the same positions and, to one part in a thousand, the same values."""
    if not np.array_equal(one.x, other.x) or not _is_near(float(one.y[-1]), float(other.y[-1])):
        return False  # for most pairs; to compare all values of 45 curves takes longer than to draw them
    return np.allclose(one.y, other.y, rtol=COINCIDING, atol=0, equal_nan=True)


def _is_near(one: float, other: float) -> bool:
    """``np.allclose`` of two numbers, as ``_coincide`` calls it."""
    return one == other or abs(one - other) <= COINCIDING * abs(other) or (np.isnan(one) and np.isnan(other))


def _traces(curve: Curve, smoothing: float, width: float = 2.0) -> list[dict[str, Any]]:
    x, y = np.asarray(curve.x), np.asarray(curve.y, dtype=float)
    if not len(y):
        return []
    traces: list[dict[str, Any]] = []
    shared = {"type": "scatter", "legendgroup": curve.name, "name": curve.name}
    if curve.faint:
        x, y = decimate(x, ema(y, smoothing) if smoothing > 0 and len(y) > 2 else y)
        pale = {"mode": "lines", "line": {"color": curve.colour, "width": 1.5, "dash": curve.dash}, "opacity": 0.6, "showlegend": False}
        return [{**shared, **pale, "x": x, "y": y, "hovertemplate": _hover(y)}]
    if smoothing > 0 and len(y) > 2:
        raw_x, raw_y = decimate(x, y)
        faint = {"mode": "lines", "line": {"color": curve.colour, "width": 1}, "opacity": 0.28, "hoverinfo": "skip", "showlegend": False}
        traces.append({**shared, **faint, "x": raw_x, "y": raw_y})
        y = ema(y, smoothing)
    if curve.band is not None and not (smoothing > 0 and len(y) > 2):
        traces += _band(curve, shared)
    x, y = decimate(x, y)
    marked = not curve.smooth and len(y) <= MARKED
    mode = "markers" if len(y) == 1 else ("lines+markers" if marked else "lines")
    marker = {"color": curve.colour, "size": 5, "symbol": "circle" if curve.dash == "solid" else "circle-open"}
    look = {"mode": mode, "line": {"color": curve.colour, "width": width, "dash": curve.dash}, "marker": marker}
    traces.append({**shared, **look, "x": x, "y": y, "hovertemplate": _hover(y)})
    return traces


def _hover(y: np.ndarray) -> str:
    """The value under the pointer. Large ones are written out, as on the axis."""
    largest = np.abs(y[np.isfinite(y)]).max(initial=0.0)
    return "%{y:,.6~r}" if 1e4 <= largest < 1e9 else "%{y:.4g}"


def _band(curve: Curve, shared: dict[str, Any]) -> list[dict[str, Any]]:
    """The filled area between the edges of a curve's band, where both are finite."""
    low, high = (np.asarray(edge, dtype=float) for edge in curve.band or ())
    known = np.isfinite(low) & np.isfinite(high)
    if known.sum() < 2:
        return []
    x, low, high = np.asarray(curve.x)[known], low[known], high[known]
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), POINTS // 2)).round().astype(int))
    outline = {"x": np.concatenate([x[kept], x[kept][::-1]]), "y": np.concatenate([high[kept], low[kept][::-1]])}
    look = {"mode": "lines", "line": {"width": 0, "color": curve.colour}, "fill": "toself", "opacity": 0.22, "hoverinfo": "skip", "showlegend": False}
    return [{**shared, **outline, **look, "fillcolor": curve.colour}]
