"""The jobs of pages, which all sessions see: see ``BackgroundJobs``. ``begin`` starts one in the place of what was there."""

from __future__ import annotations

import streamlit as st

from mtl_core.data.data_source import Progress
from mtl_core.language import tr
from mtl_core.runs.background.background_jobs import BackgroundJobs, Work
from ui.shell import words
from ui.shell.state import wait_for

__all__ = ["JOBS", "Progress", "Work", "begin", "cancel", "drop", "show_progress", "state_of"]

JOBS = BackgroundJobs("page-work")
begin, state_of, cancel, drop = JOBS.replace, JOBS.state_of, JOBS.cancel, JOBS.drop


def show_progress(key: str, title: str) -> None:
    """Draw a job's progress with a Cancel button. The page reruns every few seconds while this is shown.

    Args:
        title: English; its first word names the elements.
    """
    state = state_of(key)
    if state is None:
        return
    with st.container(border=True, key=f"work_{title.split()[0].lower()}"):
        now = words.plain(tr(state["text"])) or tr("starting")
        st.progress(min(1.0, max(0.0, state["share"])), text=tr("{title}: {now}", title=tr(title), now=now))
        label = tr("Cancelling...") if state["cancel"] else tr("Cancel")
        st.button(label, icon=":material/close:", key=f"cancel.{title}", disabled=state["cancel"], on_click=cancel, args=(key,))
    wait_for("work")
