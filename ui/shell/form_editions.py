"""Editions of a form, so that a widget of a form that has been replaced changes nothing.

A browser reports the values of all widgets that it shows. If the settings are replaced, as by a preset or a restored draft, it may still report those
of the form before, and Streamlit would take them for changes that the viewer has made. So each replacement begins an edition, and the keys of the
form's widgets contain its number. A report under a key of an older edition is not taken. A single widget whose value changes without the viewer,
as that of a preset whose settings no longer hold, gets another key likewise (``key_for``).

The forms are ``train``, the Train form, ``import``, the form of an import, and ``plane``, the start of the plane.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st


def form_key(key: str, form: str = "train") -> str:
    """A widget's key in the form's current edition. The first edition adds nothing."""
    if kept := st.session_state.get(f"edition.{form}.kept", {}).get(key):
        return kept
    edition, renewed = st.session_state.get(f"edition.{form}", 0), st.session_state.get(f"edition.{form}.renewed", {}).get(key, 0)
    return f"{key}@{edition}.{renewed}" if renewed else f"{key}@{edition}" if edition else key


def key_for(key: str, value: Any, form: str = "train") -> str:
    """Key of a widget that is about to show ``value``: another one if it shows another value.

    Then something other than the viewer has changed the value. Under the old key the browser may still report what it shows, together with the next
    change that the viewer makes elsewhere.
    """
    now = form_key(key, form)
    if st.session_state.get(now, value) == value:
        return now
    renewed = st.session_state.setdefault(f"edition.{form}.renewed", {})
    renewed[key] = renewed.get(key, 0) + 1
    st.session_state.get(f"edition.{form}.kept", {}).pop(key, None)
    return form_key(key, form)


def begin_edition(form: str = "train", kept: Sequence[str] = ()) -> None:
    """Give every widget of the form another key.

    Args:
        kept: widgets that keep theirs, because the viewer has just used them. They keep the focus of the keyboard.
    """
    st.session_state[f"edition.{form}.kept"] = {key: form_key(key, form) for key in kept}
    st.session_state[f"edition.{form}"] = st.session_state.get(f"edition.{form}", 0) + 1
