"""A slider over the epochs or steps of a live run. It follows the newest one until the viewer chooses another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st


def follow(key: str, moments: Sequence[int], label: str, **looks: Any) -> int:
    """Draw the slider and return the moment to show: the newest one until the viewer chooses another. Choosing the newest follows it again.

    The widget's key changes with the newest moment. With one key, a browser that had not yet received the newest moment reported the position of
    its old slider as the viewer's choice, and the old pictures stayed under the newest mark.

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
    """Session key of the viewer's choice. The slider follows the newest moment if it is None or missing."""
    return f"{key}.chosen"


def _take(own: str, chosen_key: str, newest: int) -> Callable[[], None]:
    def take() -> None:
        picked = st.session_state[own]
        st.session_state[chosen_key] = None if picked == newest else picked

    return take
