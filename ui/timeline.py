"""A slider through the moments of a run that goes on: it follows the newest one until the viewer chooses another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st


def follow(key: str, moments: Sequence[int], label: str, **looks: Any) -> int:
    """The moment to show: the newest, until the viewer chooses another one; choosing the newest follows again.

    The slider is another widget for each newest moment. A browser that has not yet heard of it reports the place of the slider it still shows;
    with one widget for all of them that counted as the viewer's choice, and the pictures of the moment before stayed under the newest one's mark.

    Args:
        moments: in order, two or more.
        looks: further arguments of ``st.select_slider``.
    """
    newest = moments[-1]
    own, chosen_key = f"{key}.{newest}", chosen_moment(key)
    chosen = st.session_state.get(chosen_key)
    value = chosen if chosen in moments else newest
    return st.select_slider(label, moments, value, key=own, on_change=_take(own, chosen_key, newest), **looks)


def chosen_moment(key: str) -> str:
    """Where in the session the viewer's choice is kept; None there, or nothing, follows the newest."""
    return f"{key}.chosen"


def _take(own: str, chosen_key: str, newest: int) -> Callable[[], None]:
    def take() -> None:
        picked = st.session_state[own]
        st.session_state[chosen_key] = None if picked == newest else picked

    return take
