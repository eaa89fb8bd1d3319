"""Who learns: an id that the browser keeps, so that lessons can be taken up after a reload or a restart of the server. No account."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from mtl_core.lessons.lesson_runs import LEARNER, new_learner

_SCRIPT = Path(__file__).with_name("learner_identity.js")
_KEY, _HELD = "learner_identity", "learner"


def learner_id() -> str:
    """The id of this browser's learner. In a new browser the session's own, which the browser then keeps."""
    held = st.session_state.setdefault(_HELD, new_learner())
    _component()(key=_KEY, data={"offered": held}, on_found_change=_take)
    return held


def _take() -> None:
    found = st.session_state[_KEY].get("found")
    if isinstance(found, str) and LEARNER.fullmatch(found):
        st.session_state[_HELD] = found


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return component("learner_identity", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
