"""What the page says while the server does not answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from mtl_core.language import mark, tr

WORDS = {
    "title": mark("The server does not answer"),
    "text": mark(
        "It was stopped, or the connection to it is broken. What runs have recorded is kept. "
        "This page goes on by itself once the server answers. This command starts it:"
    ),
    "command": "streamlit run app.py",
}
_SCRIPT = Path(__file__).with_name("silent_server.js")


def prepare_words() -> None:
    """Give the words to the browser, which shows them once the server is silent."""
    _teller()(key="silent_server", data={"words": {name: tr(text) for name, text in WORDS.items()}})


@st.cache_resource(show_spinner=False)
def _teller() -> Any:
    return component("silent_server", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
