"""Toasts of a session: messages that wait for the next full run of the script, and are shown a few at a time."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from mtl_core.language import tr

MOST = 3  # that one drawing shows; more would cover the page
_WAITING = "toasts"  # session key


def add_toast(text: str, icon: str = "flag", duration: Literal["short", "long"] = "short") -> None:
    """Have a message shown at the end of the next full run of the script. A toast of a fragment's run may not reach the browser before it."""
    st.session_state.setdefault(_WAITING, []).append({"body": text, "icon": f":material/{icon}:", "duration": duration})


def show_toasts() -> None:
    """Show the messages that wait, the long ones first. Of more than ``MOST`` the last toast counts the rest."""
    waiting = sorted(st.session_state.pop(_WAITING, []), key=lambda toast: toast["duration"] != "long")
    shown = waiting if len(waiting) <= MOST else waiting[: MOST - 1]
    for toast in shown:
        st.toast(**toast)
    if left := len(waiting) - len(shown):
        st.toast(tr("{left} more messages", left=left), icon=":material/more_horiz:")
