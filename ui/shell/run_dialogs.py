"""Dialogs about runs: name, note and tags; delete. The whole page draws them, so that a refresh of its live part cannot close them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs import actions
from mtl_core.runs.store import RunStore
from ui.data.data_delete import delete_data
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.page_address import rerun_page
from ui.shell.state import EXPORT, go_to, last_refusal, listing, run_action, run_store
from ui.status.toasts import add_toast

SHOWN_NAMES = 8  # of the runs to delete; a longer list is cut


def draw_dialog() -> None:
    """Draw the dialog that a click opened, if any."""
    asked = st.session_state.get("dialog")
    if not asked:
        return
    if asked["kind"] == EXPORT:
        return
    if asked["kind"] == "delete_data":
        st.dialog(tr("Delete this data set?"), on_dismiss=close)(delete_data)(asked["runs"][0])
        return
    runs = _there(run_store(), asked["runs"])
    if not runs:
        close()
        return
    title, draw = {"describe": (tr("Name, note and tags"), _describe), "delete": (_delete_title(runs), _delete)}[asked["kind"]]
    st.dialog(title, on_dismiss=close)(draw)([run.id for run in runs])


def close() -> None:
    """Close the dialog."""
    st.session_state.pop("dialog", None)


def _there(store: RunStore, run_ids: list[str]) -> list[Any]:
    """The runs that still exist."""
    found = []
    for run_id in run_ids:
        try:
            found.append(store.get(run_id))
        except Exception as error:
            if not is_ours(error):
                raise
    return found


def _describe(run_ids: list[str]) -> None:
    if "dialog" not in st.session_state:
        rerun_page()
    run = run_store().get(run_ids[0])
    with st.form("describe", border=False):
        st.text_input(
            tr("Name"),
            run.name,
            key=f"describe.name.{run.id}",
            help=tr("An empty field takes a name made from the run's settings."),
        )
        st.multiselect(
            tr("Tags"),
            known_tags(),
            list(run.tags),
            key=f"describe.tags.{run.id}",
            accept_new_options=True,
            wrap=True,
            placeholder=tr("Choose, or type a new one"),
        )
        st.text_area(tr("Note"), run.note, height=120, key=f"describe.note.{run.id}", placeholder=tr("What is this run for?"))
        st.form_submit_button(tr("Save"), type="primary", icon=":material/check:", on_click=_save, args=(run.id,))
    if last_refusal(run.id):
        st.error(words.plain(last_refusal(run.id)))


def known_tags() -> list[str]:
    """All tags in use, sorted."""
    return sorted({tag for run in listing(run_store().home.as_posix()) for tag in run.tags})


def _save(run_id: str) -> None:
    if run_action(run_id, _take_description):
        close()


def _take_description(store: RunStore, run_id: str) -> None:
    typed = {field: st.session_state[f"describe.{field}.{run_id}"] for field in ("name", "tags", "note")}
    if typed["name"] != store.get(run_id).name:
        actions.rename(store, run_id, typed["name"])
    actions.set_tags(store, run_id, typed["tags"])
    actions.set_note(store, run_id, typed["note"])


def _delete_title(runs: list[Any]) -> str:
    return tr("Delete this run?") if len(runs) == 1 else tr("Delete {count} runs?", count=len(runs))


def _delete(run_ids: list[str]) -> None:
    if "dialog" not in st.session_state:
        rerun_page()
    runs = _there(run_store(), run_ids)
    held = [run for run in runs if run.status.is_active()]
    free = [run for run in runs if not run.status.is_active()]
    if held:
        names = ", ".join(f"**{words.plain(shown_name(run))}** ({tr(str(run.status))})" for run in held)
        said = (
            tr("{names} cannot be deleted: it is being trained. Stop it first.", names=names)
            if len(held) == 1
            else tr("{names} cannot be deleted: they are being trained. Stop them first.", names=names)
        )
        st.warning(said, icon=":material/block:")
    if free:
        names = "".join(
            f"\n- **{words.plain(shown_name(run))}** :gray[{tr(str(run.status))}, {words.moment(run.created_at)}]" for run in free[:SHOWN_NAMES]
        )
        more = tr("\n- and {count} more", count=len(free) - SHOWN_NAMES) if len(free) > SHOWN_NAMES else ""
        st.markdown(f"{names}{more}")
        st.caption(tr("Curves, predictions and checkpoints are deleted, too, for good. Forks of a deleted run keep all that they need."))
    for run in runs:
        if last_refusal(run.id):
            st.error(words.plain(last_refusal(run.id)))
    with st.container(horizontal=True):
        if free:
            label = tr("Delete") if len(free) == 1 else tr("Delete {count} runs", count=len(free))
            st.button(label, type="primary", icon=":material/delete:", key="delete_really", on_click=_really, args=([run.id for run in free],))
        st.button(tr("Cancel") if free else tr("Close"), key="delete.keep", on_click=close)


def _really(run_ids: list[str]) -> None:
    names = {run.id: shown_name(run) for run in _there(run_store(), run_ids)}
    gone = [name for run_id, name in names.items() if run_action(run_id, actions.delete_run)]
    if gone:
        said = tr("Deleted: {name}", name=words.plain(gone[0])) if len(gone) == 1 else tr("Deleted {count} runs", count=len(gone))
        add_toast(said)
    if len(gone) == len(names):
        close()
        if st.session_state.get("page") != "compare":
            go_to("compare")
