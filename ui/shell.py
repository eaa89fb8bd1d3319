"""Around every page: navigation, status strip, dialogs, toasts."""

from __future__ import annotations

import streamlit as st

from ui.dialogs import draw_dialog
from ui.guard import around_page, in_words, page_list
from ui.state import begin_page, end_page, follow, run_store, start_server, take_queued_runs
from ui.strip import polling_strip, show_toasts
from ui.styles import apply_styles, page_icon


def draw_app() -> None:
    """One run of the script: the page that the address names, and what stands around it."""
    st.set_page_config(page_title="Multi-task vision", page_icon=page_icon(), layout="wide")
    around_page()
    page = st.navigation(page_list(), position="top")
    follow(page.url_path or "train")
    begin_page(page.url_path or "train")
    apply_styles()
    st.session_state["waiting"] = []
    with in_words():
        start_server()
        take_queued_runs(run_store().home.as_posix())
        if page.url_path not in ("run", "race"):  # their live parts hold the strip, so that a page has one poller
            polling_strip()
        page.run()
        draw_dialog()
    show_toasts()
    end_page()
