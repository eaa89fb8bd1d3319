"""Studies: questions that several runs with several seeds answer, with intervals and verdicts."""

import streamlit as st

from ui.shell.error_boundary import run_inside_app
from ui.studies.study_list import list_page
from ui.studies.study_page import show_study
from ui.train.form_autosave import keep_draft_elsewhere


def main() -> None:
    asked = st.query_params.get("study", "")
    if asked:
        show_study(asked)
    else:
        list_page()


run_inside_app()
main()
keep_draft_elsewhere()
