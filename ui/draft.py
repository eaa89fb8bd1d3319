"""The Train form outlives a reload: its settings are left with the browser's tab, and taken up again by a session that has none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from ui import origin, state

_SCRIPT = Path(__file__).with_name("draft.js")
_KEY = "draft"


def keep_draft(config: RunConfig | None) -> None:
    """Leave the settings with the tab; in a session's beginning, ask it first whether it has some.

    Args:
        config: the settings as they are; None while they hold something that cannot be, so that the last good ones are kept.
    """
    if origin.is_fork():
        return  # the address says which
    settings, preset = state.settings(), state.preset_name()
    begun = {"settings": state.nameless(state.presets()[preset].config.to_dict()), "preset": preset}
    now = {"settings": settings, "preset": preset}
    if preset != next(iter(state.presets())) or now != begun:
        st.session_state["draft_known"] = True  # what was chosen in this session goes before what an older one has left
    known = st.session_state.get("draft_known", False)
    if known and config is None:
        now = st.session_state.get("draft_kept", begun)
    st.session_state["draft_kept"] = now = json.loads(json.dumps(now))
    _component()(key=_KEY, data={"draft": json.dumps(now) if known else None}, on_found_change=_take_up)


def _take_up() -> None:
    """The tab had a draft, and nothing was chosen in this session yet. One that cannot be used, as after an update, is let go."""
    found = st.session_state[_KEY].get("found")
    if not found or st.session_state.get("draft_known"):
        return
    st.session_state["draft_known"] = True
    draft = _usable(found)
    if draft is not None:
        state.choose_preset(draft["preset"])
        st.session_state["settings"] = draft["settings"]


def _usable(text: str) -> dict[str, Any] | None:
    try:
        draft = json.loads(text)
        RunConfig.from_dict(draft["settings"])
    except (ConfigError, ValueError, KeyError, TypeError):
        return None
    return draft if draft.get("preset") in state.presets() else None


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component("train_draft", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
