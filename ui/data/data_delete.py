"""The dialog that deletes an imported data set. It names the set and the runs trained on it."""

from __future__ import annotations

import streamlit as st

from mtl_core.data.imports import delete
from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from ui.shell import page_jobs, words
from ui.shell.error_boundary import is_ours
from ui.shell.page_address import rerun_page, set_address
from ui.shell.state import run_store

SHOWN_RUNS = 5


def delete_data(name: str) -> None:
    """Draw the content of the dialog."""
    if "dialog" not in st.session_state:
        rerun_page()
    runs = [run for run in run_store().on_data(name) if run.config.data.name == "imported"]
    going = [run for run in runs if not run.status.is_ended()]
    st.markdown(f"**{words.plain(name)}**")
    if going:
        names = tr(", ").join(words.plain(shown_name(run)) for run in going[:SHOWN_RUNS])
        st.warning(tr("This data set cannot be deleted while runs use it. Stop these first: {names}.", names=names), icon=":material/block:")
    else:
        said = [tr("Its prepared images and targets are deleted for good. The files that it was imported from stay.")]
        if runs:
            said.append(tr("{runs} ended runs on it keep their curves and predictions, but cannot be resumed or forked.", runs=len(runs)))
        st.caption(" ".join(said))
    if "data_not_deleted" in st.session_state:
        st.error(words.plain(tr(st.session_state.pop("data_not_deleted"))))
    with st.container(horizontal=True):
        if not going:
            st.button(tr("Delete"), type="primary", icon=":material/delete:", key="delete_really", on_click=_really, args=(name,))
        st.button(tr("Close") if going else tr("Cancel"), key="delete.keep", on_click=_close)


def _close() -> None:
    st.session_state.pop("dialog", None)


def _really(name: str) -> None:
    from ui.data.data_sets import work_key

    try:
        delete(name, run_store().home)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["data_not_deleted"] = str(error)
        return
    page_jobs.drop(work_key({"name": "imported", "set": name}))
    st.session_state.setdefault("toasts", []).append(tr("Deleted: {name}", name=words.plain(name)))
    _close()
    set_address(dict.fromkeys(st.query_params))
