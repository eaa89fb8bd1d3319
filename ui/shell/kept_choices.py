"""Choices of viewers that the store keeps, such as the arrangement of panels: read once for a session, and written at each change."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from mtl_core.language import tr
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.state import run_store

LONGEST = 20_000  # characters of a setting


def kept_choice(setting: str) -> str:
    """The text of this session's choice, at first the one that the store keeps under the key ``setting``; empty for none."""
    held = f"kept.{setting}"
    if held not in st.session_state:
        st.session_state[held] = run_store().settings().get(setting, "")
    return st.session_state[held]


def keep_choice(setting: str, text: str) -> None:
    """Hold the choice for this session and write it into the store. ``kept_note`` says where the store cannot be written."""
    st.session_state[f"kept.{setting}"] = text
    st.session_state.pop(f"refused.{setting}", None)
    try:
        run_store().set(setting, text)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[f"refused.{setting}"] = str(error)


def kept_note(setting: str, for_whom: str) -> None:
    """Say for whom the choice holds, or that the store refused it."""
    refused = st.session_state.get(f"refused.{setting}")
    st.caption(tr("Kept until this page is closed: {refused}", refused=words.plain(tr(refused))) if refused else for_whom)


def read_object(text: str) -> dict[str, Any]:
    """The JSON object of a kept text; empty for a text that is none."""
    try:
        read = json.loads(text) if len(text) <= LONGEST else {}
    except (ValueError, RecursionError):
        read = {}
    return read if isinstance(read, dict) else {}


def names_in(found: Any) -> tuple[str, ...] | None:
    """The texts of a JSON list, each once; None for what is no list."""
    return tuple(dict.fromkeys(name for name in found if isinstance(name, str))) if isinstance(found, list) else None
