"""Tabs of which the open one stays open when the page changes its language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mtl_core.language import language, tr


def kept_tabs(names: Sequence[str], key: str, first: str = "") -> Sequence[Any]:
    """Draw tabs and give their containers.

    The browser knows a tab by its label, which is another one in another language. So the tabs of each language are a widget of their own, and
    the session keeps the name of the open tab.

    Args:
        names: English labels.
        first: the tab that is open at first; the first one where none is given.
    """
    held, widget = f"{key}.open", f"{key}.{language()}"
    labels = {tr(name): name for name in names}
    opened = st.session_state.get(held, first)

    def keep() -> None:
        st.session_state[held] = labels.get(st.session_state[widget], "")

    return st.tabs(list(labels), default=tr(opened) if opened in names else None, key=widget, on_change=keep)
