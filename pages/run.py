"""Run: one run, while it trains and after it has ended."""

import streamlit as st

from mtl_core.language import tr
from ui.run.run_page import show_run
from ui.shell.error_boundary import run_inside_app
from ui.shell.run_picker import asked_run, no_runs, no_such_run
from ui.shell.state import run_store
from ui.status.status_bar import polling_strip


def main() -> None:
    store = run_store()
    is_empty = not store.count()
    run_id = None if is_empty else asked_run(store)
    if run_id is not None:
        show_run(run_id)
        return
    polling_strip()
    st.title(tr("Run"), anchor=False)
    if is_empty:
        no_runs(tr("The curves and predictions of a run appear here."))
    else:
        no_such_run(store)


run_inside_app()
main()
