"""Plotly charts that are updated in place.

Streamlit 1.67 takes a chart's identity from its figure, so ``st.plotly_chart`` builds a new chart at each change: the zoom is lost and each
refresh costs the browser several times as much (seen in Chromium; ``docs/decisions.md``). This component keeps the chart and gives it the new lines.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import streamlit as st
from streamlit.components.v2 import component

from mtl_core.language import SOURCE, language, mark, tr
from ui.drawing.plotly_script import script_address
from ui.shell.element_keys import component_key

_CONFIG = {
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"],  # nothing leaves this machine
    "toImageButtonOptions": {"format": "svg"},
}
# What Plotly itself says beside a chart: the titles of its buttons, and its notes.
_OF_PLOTLY = (
    mark("Download plot"),
    mark("Zoom"),
    mark("Pan"),
    mark("Zoom in"),
    mark("Zoom out"),
    mark("Reset axes"),
    mark("Double-click to zoom back out"),
)
_CLEAR, _GRID = "rgba(0,0,0,0)", "rgba(128,128,128,0.18)"  # legible on the page's colour in both themes
_SCRIPT = Path(__file__).with_name("plotly_chart.js")


def prepared(figure: go.Figure | dict[str, Any], alt: str) -> dict[str, Any]:
    """The data that the browser gets for a figure; all viewers share it. The chart has the page's background, and grey grid lines if it sets none.

    Args:
        figure: a figure, or its ``data`` and ``layout`` as plain values, in which only values of traces may be arrays; with ``layout.height``. A
            constant ``layout.uirevision`` keeps the zoom.
        alt: text for screen readers.
    """
    if isinstance(figure, dict):
        text, height = _text_of(figure), figure["layout"]["height"]
    else:
        figure.update_layout(paper_bgcolor=_CLEAR, plot_bgcolor=_CLEAR)
        for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
            axis.update(gridcolor=axis.gridcolor or _GRID, zerolinecolor=axis.zerolinecolor or _GRID)
        text, height = cast("str", figure.to_json()), figure.layout.height
    return {"figure": text, "revision": hashlib.sha1(text.encode()).hexdigest(), "height": height, "alt": alt}


def _text_of(chart: dict[str, Any]) -> str:
    """The JSON of plain ``data`` and ``layout``, what ``go.Figure.to_json`` gives for them."""
    grid = {"gridcolor": _GRID, "zerolinecolor": _GRID}
    axes = {name: {**grid, **axis} for name, axis in chart["layout"].items() if name.startswith(("xaxis", "yaxis"))}
    layout = {**chart["layout"], **axes, "paper_bgcolor": _CLEAR, "plot_bgcolor": _CLEAR}
    data = [{key: _values(value) if isinstance(value, np.ndarray) else value for key, value in trace.items()} for trace in chart["data"]]
    template = _template(pio.templates.default or "none")
    return f'{{"data": {json.dumps(data)}, "layout": {json.dumps(layout)[:-1]}, "template": {template}}}}}'


def _values(values: np.ndarray) -> Any:
    """Numbers as Plotly's script reads them fastest (its "typed array specification": little-endian, base64)."""
    if not values.size:
        return []
    return {"dtype": "f8", "bdata": base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode()}


@lru_cache(maxsize=4)
def _template(name: str) -> str:
    return json.dumps(pio.templates[name].to_plotly_json())


def _config() -> dict[str, Any]:
    """Plotly's settings, with its own words in the reader's language. The format of numbers stays."""
    name = language()
    if name == SOURCE:
        return _CONFIG
    return {**_CONFIG, "locale": name, "locales": {name: {"dictionary": {text: tr(text) for text in _OF_PLOTLY}}}}


def plot(chart: dict[str, Any], key: str, clicks: bool = False, fed_as: tuple[str, str] | None = None) -> dict[str, Any] | None:
    """Draw a ``prepared`` chart, or update the one that has this key.

    Args:
        clicks: whether to report clicks on points.
        fed_as: the ``base`` of the ``follow_news`` that may have a newer figure for this chart, and its key there.

    Returns:
        The point that was just clicked, with its place on both axes as ``x`` and ``y`` and its ``customdata``; else None.
    """
    data = {**chart, "config": _config(), "plotly": script_address(), **(dict(zip(("base", "name"), fed_as, strict=True)) if fed_as else {})}
    if not clicks:
        _component()(key=component_key(key), data=data)
        return None
    return _component()(key=component_key(key), data={**data, "clicks": True}, on_clicked_change=lambda: None).clicked


def load_ahead() -> None:
    """Have the browser load Plotly's script now. A page that waits for its charts calls it: to load it takes the browser up to a second."""
    _component()(key=component_key("plotly"), data={"plotly": script_address()})


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return component("live_plot", html='<div class="live-plot"></div>', js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
