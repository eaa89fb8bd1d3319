"""The frame around every page: navigation, status bar, dialogs, toasts."""

from __future__ import annotations

import streamlit as st

from mtl_core.language import tr
from ui.shell.error_boundary import errors_as_text, mark_inside_app, page_list
from ui.shell.language_choice import begin_language, tell_browser
from ui.shell.page_address import drop_other_pages_address, keep_asked_page, record_address
from ui.shell.run_dialogs import draw_dialog
from ui.shell.session_lookup import look_up_single_values
from ui.shell.state import begin_page, open_asked_page, run_store, start_server, take_queued_runs
from ui.shell.styles import apply_styles, page_icon
from ui.shell.typed_address import forget_unknown_address, say_unknown_address
from ui.status.broken_connection import drop_unsent_parts
from ui.status.silent_server import prepare_words
from ui.status.status_bar import polling_strip
from ui.status.toasts import show_toasts


def draw_app() -> None:
    """Run the script once: the page that the address names, and the frame around it."""
    look_up_single_values()
    keep_asked_page()
    drop_unsent_parts()
    begin_language()
    st.set_page_config(page_title=tr("Multi-task vision"), page_icon=page_icon(), layout="wide")
    mark_inside_app()
    page = st.navigation(page_list(), position="top")
    open_asked_page(page.url_path or "train")
    begin_page(page.url_path or "train")
    drop_other_pages_address(page.url_path or "train")
    apply_styles()
    st.session_state["waiting"] = []
    with errors_as_text():
        start_server()
        take_queued_runs(run_store().home.as_posix())
        if page.url_path not in ("run", "race", "studies", "learn"):  # their live parts draw the status bar, so that a page has one poller
            polling_strip()
        if not page.url_path:
            say_unknown_address()
        else:
            forget_unknown_address()
        page.run()
        draw_dialog()
    tell_browser()
    prepare_words()
    show_toasts()
    record_address()
