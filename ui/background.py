"""Background jobs of a page: each runs in a thread, reports progress and can be cancelled. Its state is plain data shared by all sessions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import streamlit as st

from ui.guard import is_ours
from ui.state import wait_for

MOST_KEPT = 12  # jobs; beyond that, starting a job drops the oldest ended ones

_log = logging.getLogger(__name__)
Progress = Callable[[float, str], None]
Work = Callable[[Progress, Callable[[], bool]], Any]


class _CancelledError(Exception):
    """Raised by ``progress`` after a cancel, so that work that never calls ``cancelled`` ends too."""


@st.cache_resource(show_spinner=False)
def _works() -> dict[str, dict[str, Any]]:
    return {}


def start(key: str, work: Work) -> dict[str, Any]:
    """Start a job under this key. It replaces the job that has the key.

    Args:
        work: called with ``progress(share, text)`` (``share`` from 0 to 1) and ``cancelled()``; its return value becomes the state's ``result``.
    """
    state: dict[str, Any] = {"done": False, "share": 0.0, "text": "", "error": "", "result": None, "cancel": False, "cancelled": False}
    works = _works()
    drop(key)
    for old in [other for other, entry in list(works.items()) if entry["done"]][: max(0, len(works) - MOST_KEPT)]:
        works.pop(old, None)
    works[key] = state
    threading.Thread(target=_run_work, args=(state, work), name="page-work", daemon=True).start()
    return state


def _run_work(state: dict[str, Any], work: Work) -> None:
    def progress(share: float, text: str) -> None:
        if state["cancel"]:
            raise _CancelledError
        state["share"], state["text"] = share, text

    try:
        state["result"] = work(progress, lambda: state["cancel"])
    except Exception as error:  # the page shows any error as a sentence
        state["cancelled"] = bool(state["cancel"])
        if not state["cancelled"]:
            state["error"] = str(error) or type(error).__name__
            if not is_ours(error):
                _log.exception("unexpected error in the background")
    state["done"] = True


def state_of(key: str) -> dict[str, Any] | None:
    """The job's state; None where no job has this key."""
    return _works().get(key)


def cancel(key: str) -> None:
    """Request the end of a job. It ends at its next progress report and leaves no files."""
    state = state_of(key)
    if state:
        state["cancel"] = True


def drop(key: str) -> None:
    """Cancel the job if it is running, and remove its state."""
    cancel(key)
    _works().pop(key, None)


def show_progress(key: str, title: str) -> None:
    """Draw a job's progress with a Cancel button. The page reruns every few seconds while this is shown."""
    state = state_of(key)
    if state is None:
        return
    with st.container(border=True, key=f"work_{title.split()[0].lower()}"):
        st.progress(min(1.0, max(0.0, state["share"])), text=f"{title}: {state['text'] or 'starting'}")
        label = "Cancelling..." if state["cancel"] else "Cancel"
        st.button(label, icon=":material/close:", key=f"cancel.{title}", disabled=state["cancel"], on_click=cancel, args=(key,))
    wait_for("work")
