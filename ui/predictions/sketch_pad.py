"""A pad on which the viewer draws with the mouse, a finger or a pen: light on dark, as in MNIST."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from mtl_core.language import tr

HERE = Path(__file__)
PREFIX = "data:image/png;base64,"
MOST_BYTES = 2 * 2**20


def sketch_pad(key: str) -> bytes | None:
    """Draw the pad; returns the drawing as the content of a PNG file, None while it is empty."""
    said = {"pad": tr("Pad: draw with the mouse, a finger or a pen"), "pen": tr("Pen"), "width": tr("Width of the pen")}
    said |= {"inverted": tr("dark on light"), "clear": tr("Clear")}
    return drawn_bytes((_pad()(key=key, on_drawing_change=lambda: None, data={"words": said}) or {}).get("drawing") or "")


def drawn_bytes(url: str) -> bytes | None:
    """The content of a PNG file given as a data URL; None for anything else, because the browser may send any text."""
    if not url.startswith(PREFIX) or len(url) > MOST_BYTES:
        return None
    try:
        return base64.b64decode(url.removeprefix(PREFIX), validate=True) or None
    except binascii.Error:
        return None


@st.cache_resource(show_spinner=False)
def _pad() -> Any:
    page = """<div class="sketch"><canvas width="280" height="280" role="img"></canvas>
<div><label><span></span> <input type="range" min="6" max="40" value="20"></label>
<label><input type="checkbox"> <span></span></label> <button type="button"></button></div></div>"""
    return component(
        "sketch_pad",
        html=page,
        css=HERE.with_suffix(".css").read_text(encoding="utf-8"),
        js=HERE.with_suffix(".js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )
