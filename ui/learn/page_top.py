"""The top of the Learn page: a lesson that is opened from another one begins there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

_SCRIPT = Path(__file__).with_name("page_top.js")


def open_at_top(page: str) -> None:
    """Scroll to the top whenever ``page`` is another one than before."""
    _component()(key="page_top", data={"page": page})


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return component("page_top", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
