"""Work that takes longer than a page should wait: in a thread, with progress, cancellable. Its state is plain data that all sessions see."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import streamlit as st

from ui.guard import is_ours
from ui.state import wait_for

MOST_KEPT = 12  # ended ones, for as long as nobody asks for newer ones

_log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]
Work = Callable[[Progress, Callable[[], bool]], Any]


class _CancelledError(Exception):
    """Raised out of a progress report, so that work that only reports can be ended too."""


@st.cache_resource(show_spinner=False)
def _works() -> dict[str, dict[str, Any]]:
    return {}


def begin(key: str, work: Work) -> dict[str, Any]:
    """Start work under this key, in place of what was there.

    Args:
        work: called with ``progress(share, words)`` and ``cancelled()``; what it returns is the state's ``result``.
    """
    state: dict[str, Any] = {"done": False, "share": 0.0, "text": "", "error": "", "result": None, "cancel": False, "cancelled": False}
    works = _works()
    drop(key)
    for old in [other for other, entry in list(works.items()) if entry["done"]][: max(0, len(works) - MOST_KEPT)]:
        works.pop(old, None)
    works[key] = state
    threading.Thread(target=_do, args=(state, work), name="page-work", daemon=True).start()
    return state


def _do(state: dict[str, Any], work: Work) -> None:
    def progress(share: float, text: str) -> None:
        if state["cancel"]:
            raise _CancelledError
        state["share"], state["text"] = share, text

    try:
        state["result"] = work(progress, lambda: state["cancel"])
    except Exception as error:  # whatever it is, the page shows it as a sentence
        state["cancelled"] = bool(state["cancel"])
        if not state["cancelled"]:
            state["error"] = str(error) or type(error).__name__
            if not is_ours(error):
                _log.exception("unexpected error in the background")
    state["done"] = True


def state_of(key: str) -> dict[str, Any] | None:
    """What is known of this work; None where none was begun."""
    return _works().get(key)


def cancel(key: str) -> None:
    """Ask it to end. It does at its next report, and leaves nothing behind."""
    state = state_of(key)
    if state:
        state["cancel"] = True


def drop(key: str) -> None:
    """Forget it; end it where it is still going on."""
    cancel(key)
    _works().pop(key, None)


def show_progress(key: str, title: str) -> None:
    """How far it is, with a button to cancel. The page is drawn anew every few seconds while this is shown."""
    state = state_of(key)
    if state is None:
        return
    with st.container(border=True, key=f"work_{title.split()[0].lower()}"):
        st.progress(min(1.0, max(0.0, state["share"])), text=f"{title}: {state['text'] or 'starting'}")
        label = "Cancelling..." if state["cancel"] else "Cancel"
        st.button(label, icon=":material/close:", key=f"cancel.{title}", disabled=state["cancel"], on_click=cancel, args=(key,))
    wait_for("work")
