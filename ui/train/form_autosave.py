"""Autosave of the Train form in the browser's sessionStorage, so that the form survives a reload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from mtl_core.config import RunConfig
from mtl_core.errors import ConfigError
from ui.shell import state
from ui.train import clone_and_fork

_SCRIPT = Path(__file__).with_name("form_autosave.js")
_KEY = "draft"


def keep_draft(config: RunConfig | None) -> None:
    """Save the settings in the tab's sessionStorage. A new session first restores the draft that is there.

    Args:
        config: the current settings; None while they are invalid, in which case the last valid ones stay saved.
    """
    if clone_and_fork.is_fork():
        return  # the address holds the fork
    now = {"settings": state.settings(), "preset": state.preset_name()}
    if _has_changed():
        st.session_state["draft_known"] = True  # a choice of this session takes precedence over an older draft
    known = st.session_state.get("draft_known", False)
    if known and config is None:
        now = st.session_state.get("draft_kept", _begun())
    st.session_state["draft_kept"] = now = json.loads(json.dumps(now))
    _component()(key=_KEY, data={"draft": json.dumps(now) if known else None}, on_found_change=_restore_draft)


def keep_draft_elsewhere() -> None:
    """``keep_draft`` on a page beside Train that shows or changes the settings. Without it, a change made there after a reload would take the place
    of the draft, and a study would start from the first preset."""
    try:
        config = RunConfig.from_dict(state.settings())
    except ConfigError:
        config = None
    keep_draft(config)


def _begun() -> dict[str, Any]:
    """The form as its preset fills it."""
    preset = state.preset_name()
    return {"settings": state.nameless(state.presets()[preset].config.to_dict()), "preset": preset}


def _has_changed() -> bool:
    """Whether the form differs from that of a new session."""
    return state.preset_name() != next(iter(state.presets())) or state.settings() != _begun()["settings"]


def _restore_draft() -> None:
    """Restore the tab's draft, unless this session has already made a choice. An unusable draft, as after an update, is ignored."""
    found = st.session_state[_KEY].get("found")
    if not found or st.session_state.get("draft_known") or _has_changed():
        return
    st.session_state["draft_known"] = True
    draft = _usable(found)
    if draft is not None:
        state.replace_settings(draft["settings"], draft["preset"])


def _usable(text: str) -> dict[str, Any] | None:
    try:
        draft = json.loads(text)
        RunConfig.from_dict(draft["settings"])
    except (ConfigError, ValueError, KeyError, TypeError):
        return None
    return draft if draft.get("preset") in state.presets() else None


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return component("train_draft", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
