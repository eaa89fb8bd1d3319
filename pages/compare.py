"""Compare: the table of all runs, their curves task by task, the settings that differ, and their predictions on the same images."""

import streamlit as st

from mtl_core.language import tr
from ui.compare.compare_curves import overlay
from ui.compare.compare_predictions import predictions
from ui.compare.race_link import race_links
from ui.compare.runs_table import CURVE_LIMIT, runs_table
from ui.compare.setting_differences import differences
from ui.compare.table_query import asked_query
from ui.shell.error_boundary import run_inside_app
from ui.shell.run_picker import no_runs, say_unread
from ui.shell.state import run_store


def main() -> None:
    store = run_store()
    st.title(tr("Compare runs"), anchor=False)
    if not store.count():
        no_runs(tr("This page compares runs: best and last values, curves, and the settings that differ."))
        return
    say_unread()
    chosen = runs_table(store, asked_query(store))
    if not chosen:
        st.info(tr("Select one or more runs in the table to see their curves."))
        return
    race_links(chosen)
    if len(chosen) > CURVE_LIMIT:
        st.caption(tr("Curves and settings are shown for the first {curve_limit} selected runs.", curve_limit=CURVE_LIMIT))
    overlay(store, chosen[:CURVE_LIMIT])
    differences(chosen[:CURVE_LIMIT])
    predictions(store, chosen[:CURVE_LIMIT])


run_inside_app()
main()
