"""Compare: all runs, their best and last values, curves over each other, and what differs between them."""

import streamlit as st

from ui.guard import through_app
from ui.library import differences, no_runs, overlay, runs_table
from ui.state import run_store


def main() -> None:
    store = run_store()
    runs = store.runs()
    st.title("Compare runs", anchor=False)
    if not runs:
        no_runs("Runs stand here side by side: their best and last values, their curves, and what differs in their settings.")
        return
    chosen = runs_table(store, runs)
    if not chosen:
        st.info("Select one or more runs in the table to see their curves.")
        return
    overlay(store, runs, chosen)
    differences(chosen)


through_app()
main()
