"""The part of a page that refreshes while runs train: one fragment, the same before and after.

Streamlit names a fragment by its function and its place. A click names the fragment that it was made in, and is dropped without a word when that
one is gone (``AppSession.request_rerun``). So a page must not go from one fragment to another when a run starts or ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import streamlit as st

from ui.shell.error_boundary import worded
from ui.shell.page_address import rerun_page
from ui.shell.state import run_store, whole_page_if_asked
from ui.status.status_bar import draw_strip, notice_endings, polling_strip


def live_part(draw: Callable[..., None], every: float | None, *args: Any, links: bool = True) -> None:
    """Draw the status bar and what ``draw`` draws as one fragment.

    Args:
        draw: is called with ``every`` and ``args``; ends with ``end_live_part``.
        every: seconds between refreshes; None where nothing changes by itself. Then only the status bar polls, a fragment inside this one.
        links: whether the status bar has links to the runs' pages.
    """

    @worded
    @functools.wraps(draw)
    def part() -> None:
        if every:
            draw_strip(links=links)
        else:
            polling_strip(links=links)
        draw(every, *args)

    st.fragment(part, run_every=every)()


def end_live_part(every: float | None, is_as_drawn: bool) -> None:
    """At the end of ``draw``: rerun the whole page if it needs it.

    Args:
        is_as_drawn: whether the part still is at the pace (``every``) that it was drawn for.
    """
    if (every and notice_endings(run_store())) or not is_as_drawn:
        rerun_page()
    whole_page_if_asked()
