"""A section of a form that is folded at first. Its contents are drawn only while it is open, so that a page opens without them."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.shell.state import hold


def folded_section(key: str, label: str, icon: str, draw: Callable[[], None], *, opened: bool = False) -> None:
    """Draw the section's head, and its contents while it is open. The session remembers whether it is.

    Args:
        key: of the section on its page. The session keeps its state under ``<key>.open``.
        label: the head. It does not change with what is typed into the section: Streamlit takes another label for another section, and the
            focus of the keyboard would be lost.
        draw: draws the contents.
        opened: whether the section opens, unless someone has folded it.
    """
    kept = f"{key}.open"
    if opened:
        st.session_state.setdefault(kept, True)  # it stays open when what has opened it is gone
    hold(key, st.session_state.get(kept, False))

    def keep() -> None:
        st.session_state[kept] = st.session_state[key]

    section = st.expander(label, icon=icon, key=key, on_change=keep)
    if section.open:
        with section:
            draw()
