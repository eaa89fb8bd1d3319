"""The import panel: choose files, correct what the scan found, read the report, import. The engine does the work; this module draws it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from mtl_core.language import mark, tr
from ui.importing.import_draft import discard_draft, draft, job_key, result_of, start_check, take_proposal
from ui.importing.import_form import form_step
from ui.importing.import_questions import check_questions_step, open_questions
from ui.importing.import_report import report_step
from ui.importing.import_source import source_step, suggested_name
from ui.shell import page_jobs, words
from ui.shell.form_editions import begin_edition
from ui.shell.page_address import rerun_page, set_address
from ui.status.toasts import add_toast


def import_panel() -> None:
    """Draw the current step of the import."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(tr("Bring your own images"), anchor=False, width="content")
        st.space("stretch")
        if draft():
            st.button(tr("Other files"), icon=":material/restart_alt:", key="import.restart", type="tertiary", on_click=discard_draft)
        st.button(tr("Back to the data sets"), icon=":material/arrow_back:", key="import.back", type="tertiary", on_click=_back)
    if not draft():
        source_step()
        return
    if not _ended("propose", mark("Scanning")):
        return
    proposal = result_of("propose")
    if not draft()["spec"]:
        take_proposal(proposal, suggested_name(draft()["title"]))
    state = page_jobs.state_of(job_key("import"))
    if state is not None and state["done"] and state["result"]:
        _finished(state["result"])
        return
    if not _ended("import", mark("Importing")):
        return
    if draft().pop("renewed", False):  # only now, so that a field that was typed in at the moment of the answer still counts
        begin_edition("import", kept=[f"import.question.{name}" for name in draft()["answers"]])
    form_step(proposal)
    if "import_refused" in st.session_state:
        st.error(words.plain(tr(st.session_state["import_refused"])), icon=":material/block:")
    if _ended("check", mark("Checking")):
        examined = result_of("check")
        report = examined.report if examined is not None else None
        label = tr("Check the files") if report is None else tr("Check again")
        kind = "primary" if report is None else "secondary"
        left = len(open_questions(proposal))
        st.button(label, type=kind, icon=":material/fact_check:", key="import.check", disabled=left > 0, on_click=start_check)
        if left:
            one = tr(":material/help: Answer the question above first.")
            st.caption(one if left == 1 else tr(":material/help: Answer the {left} questions above first.", left=left))
        elif report is None:
            st.caption(tr("The check reads every file once and lists what is wrong. It writes nothing."))
        else:
            check_questions_step(examined)
            report_step(examined)


def _ended(kind: str, title: str) -> bool:
    """Whether a job of the draft has ended. Draws its progress or its error. False after a failed scan, which leaves nothing to continue with."""
    state = page_jobs.state_of(job_key(kind))
    if state is None:
        return kind != "propose"
    if not state["done"]:
        page_jobs.show_progress(job_key(kind), title)
        return False
    if state["cancelled"]:
        st.info(tr("Cancelled. No files are left of it."), icon=":material/info:")
    elif state["error"]:
        own = tr(state["error"]).replace(Path(draft()["path"]).name, draft()["title"])  # an upload is stored under a checksum of its content
        st.error(words.plain(own), icon=":material/error:")
    return kind != "propose" or state["result"] is not None


def _finished(name: str) -> None:
    """Open the page of the new set."""
    discard_draft()
    add_toast(tr("{name} is imported", name=words.plain(name)))
    set_address({**dict.fromkeys(st.query_params), "data": f"imported/{name}"})
    rerun_page()


def _back() -> None:
    set_address({"new": None})
