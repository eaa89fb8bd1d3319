"""A pad on which the viewer draws with the mouse, a finger, a pen or keys: light on dark, as in MNIST."""

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
PAGE = """<div class="sketch"><canvas width="280" height="280" tabindex="0" role="application"></canvas>
<div><label><span></span> <input type="range" min="6" max="40" value="20"></label>
<label><input type="checkbox"> <span></span></label> <button type="button"></button> <output></output></div><p></p></div>"""


def sketch_pad(key: str) -> bytes | None:
    """Draw the pad; returns the drawing as the content of a PNG file, None while it is empty."""
    return drawn_bytes((_pad()(key=key, on_drawing_change=lambda: None, data={"words": pad_words()}) or {}).get("drawing") or "")


def pad_words() -> dict[str, str]:
    """The pad's texts, which its script puts in place."""
    said = {"pad": tr("Pad to draw on: the arrow keys move the pen, the space bar puts it down and lifts it"), "pen": tr("Pen")}
    said |= {"width": tr("Width of the pen"), "inverted": tr("dark on light"), "clear": tr("Clear")}
    said |= {"keys": tr("With keys: the arrows move the pen, the space bar puts it down and lifts it."), "down": tr("pen down"), "up": tr("pen up")}
    return said


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
    return component(
        "sketch_pad",
        html=PAGE,
        css=HERE.with_suffix(".css").read_text(encoding="utf-8"),
        js=HERE.with_suffix(".js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )
