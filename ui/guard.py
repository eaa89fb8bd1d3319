"""No traceback on screen: what goes wrong becomes a sentence."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from ui.styles import page_icon
from ui.words import plain

_log = logging.getLogger(__name__)


def is_ours(error: BaseException) -> bool:
    """Whether the error was raised on purpose. By name: after a source file is saved, the class may exist twice."""
    return any(parent.__name__ == "MTLError" for parent in type(error).__mro__)


@contextmanager
def in_words() -> Iterator[None]:
    """Errors raised inside are shown as a sentence; the traceback of an unexpected one goes to the server's log."""
    try:
        yield
    except Exception as error:  # Streamlit's own signals are BaseException and pass through
        if is_ours(error):
            st.error(plain(str(error)), icon=":material/error:")
        else:
            _log.exception("unexpected error while drawing a page")
            what = f"This part of the page could not be drawn ({type(error).__name__}: {plain(str(error))})."
            st.error(f"{what} The server's log has the details; reload to try again.")


def worded(draw: Callable[..., None]) -> Callable[..., None]:
    """The same for a function; fragments need it because they run again on their own."""

    @functools.wraps(draw)
    def guarded(*args: object, **kwargs: object) -> None:
        with in_words():
            draw(*args, **kwargs)

    return guarded


def page_list() -> list[Any]:
    """The pages in the order of the menu; the first one opens without an address."""
    return [
        st.Page("pages/train.py", title="Train", icon=":material/play_circle:", default=True),
        st.Page("pages/run.py", title="Run", icon=":material/monitoring:"),
        st.Page("pages/predictions.py", title="Predictions", icon=":material/imagesmode:"),
        st.Page("pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("pages/race.py", title="Race", icon=":material/flag:"),
        st.Page("pages/data.py", title="Data", icon=":material/photo_library:"),
    ]


def around_page() -> None:
    """First line of app.py: the page that it runs is not alone."""
    st.session_state["around"] = True


def through_app() -> None:
    """First line of every page: have app.py run around it.

    Until ``st.navigation`` has run once in a server, Streamlit takes the folder ``pages`` for its older kind of app, and an address such
    as ``/run?run=...`` opened right after a restart runs that file alone. Declaring the navigation ends that; the rerun goes through app.py.
    """
    if not st.session_state.pop("around", False):
        st.set_page_config(page_icon=page_icon())  # else the browser fetches the page's own icon from the internet
        st.navigation(page_list(), position="hidden")
        st.rerun()
