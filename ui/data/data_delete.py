"""The dialog that deletes an imported data set. It names the set, and the runs and studies that wait for it."""

from __future__ import annotations

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.sets.needed_sets import delete_set, waiting_runs
from mtl_core.studies.weight_search import searches_on
from ui.shell import page_jobs, words
from ui.shell.error_boundary import is_ours
from ui.shell.page_address import rerun_page, set_address
from ui.shell.state import run_store
from ui.status.toasts import add_toast
from ui.train.imported_sets import IMPORTED

SHOWN_RUNS = 5


def delete_data(name: str) -> None:
    """Draw the content of the dialog."""
    if "dialog" not in st.session_state:
        rerun_page()
    store = run_store()
    waiting, studies = waiting_runs(store, name), searches_on(store, name)
    is_needed = bool(waiting or studies)
    st.markdown(f"**{words.plain(name)}**")
    if waiting:
        names = tr(", ").join(f"{words.plain(shown_name(run))} ({tr(str(run.status))})" for run in waiting[:SHOWN_RUNS])
        if len(waiting) > SHOWN_RUNS:
            names = tr("{names} and {count} more", names=names, count=len(waiting) - SHOWN_RUNS)
        st.warning(tr("Runs wait for this data set: {names}. Stop them first.", names=names), icon=":material/block:")
    if studies:
        names = tr(", ").join(map(words.plain, studies[:SHOWN_RUNS]))
        st.warning(tr("Studies will still make runs on this data set: {names}. Stop them first.", names=names), icon=":material/block:")
    said = [tr("Its prepared images and targets are deleted for good. The files that it was imported from stay.")]
    ended = sum(run.config.imported_set == name for run in store.on_data(name)) - len(waiting)
    if ended:
        said.append(
            tr("{runs} ended {runs:run|runs} on it {runs:keeps its|keep their} curves and predictions, but cannot be resumed or forked.", runs=ended)
        )
    st.caption(" ".join(said))
    even_so = is_needed and st.checkbox(tr("Delete it all the same. What waits for it fails then."), key=f"delete.even_if_needed.{name}")
    if "data_not_deleted" in st.session_state:
        st.error(words.plain(tr(st.session_state.pop("data_not_deleted"))))
    with st.container(horizontal=True):
        off = is_needed and not even_so
        st.button(tr("Delete"), type="primary", icon=":material/delete:", key="delete_really", disabled=off, on_click=_really, args=(name, even_so))
        st.button(tr("Cancel"), key="delete.keep", on_click=_close)


def _close() -> None:
    st.session_state.pop("dialog", None)


def _really(name: str, even_so: bool) -> None:
    from ui.data.data_sets import work_key

    key = work_key({"name": IMPORTED, "set": name})
    try:
        delete_set(run_store(), name, searches_on(run_store(), name), even_if_needed=even_so)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["data_not_deleted"] = str(error)
        return
    page_jobs.drop(key)
    add_toast(tr("Deleted: {name}", name=words.plain(name)))
    _close()
    set_address(dict.fromkeys(st.query_params))
