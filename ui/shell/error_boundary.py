"""Error boundary of the pages: errors appear as sentences, without a traceback. Also the list of pages."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from mtl_core.errors import MTLError, is_error
from mtl_core.language import tr
from ui.shell.styles import page_icon
from ui.shell.words import plain

_log = logging.getLogger(__name__)


def is_ours(error: BaseException) -> bool:
    """Whether the error is one that mtl_core raises on purpose."""
    return is_error(error, MTLError)


@contextmanager
def errors_as_text() -> Iterator[None]:
    """Show errors raised inside as a sentence. The traceback of an unexpected one goes to the server's log."""
    try:
        yield
    except Exception as error:  # Streamlit's own signals are BaseException and pass through
        if is_ours(error):
            st.error(plain(tr(str(error))), icon=":material/error:")
        else:
            _log.exception("unexpected error while drawing a page")
            st.error(
                tr(
                    "This part of the page could not be drawn ({name}: {error}). The server's log has the details. Reload the page to try again.",
                    name=type(error).__name__,
                    error=plain(str(error)),
                )
            )


def worded(draw: Callable[..., None]) -> Callable[..., None]:
    """``errors_as_text`` as a decorator. Fragments need it because they rerun on their own."""

    @functools.wraps(draw)
    def guarded(*args: object, **kwargs: object) -> None:
        with errors_as_text():
            draw(*args, **kwargs)

    return guarded


def page_list() -> list[Any]:
    """The pages in the order of the menu. The first one is the start page."""
    return [
        st.Page("pages/train.py", title=tr("Train"), icon=":material/play_circle:", default=True),
        st.Page("pages/run.py", title=tr("Run"), icon=":material/monitoring:"),
        st.Page("pages/predictions.py", title=tr("Predictions"), icon=":material/imagesmode:"),
        st.Page("pages/compare.py", title=tr("Compare"), icon=":material/compare_arrows:"),
        st.Page("pages/race.py", title=tr("Race"), icon=":material/flag:"),
        st.Page("pages/studies.py", title=tr("Studies"), icon=":material/science:"),
        st.Page("pages/data.py", title=tr("Data"), icon=":material/photo_library:"),
        st.Page("pages/learn.py", title=tr("Learn"), icon=":material/school:"),
    ]


def mark_inside_app() -> None:
    """Mark that app.py runs the page. app.py calls it before it runs a page."""
    st.session_state["around"] = True


def run_inside_app() -> None:
    """Rerun a page through app.py where it was run alone. Every page calls it first.

    Until ``st.navigation`` has run once in a server, Streamlit treats the folder ``pages`` as its older kind of app, and an address such
    as ``/run?run=...`` opened right after a restart runs that file alone. Declaring the navigation ends that; the rerun goes through app.py.
    """
    if not st.session_state.pop("around", False):
        st.set_page_config(page_icon=page_icon())  # otherwise the browser fetches the page's default icon from the internet
        st.navigation(page_list(), position="hidden")
        st.rerun()
