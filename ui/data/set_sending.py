"""The sending of an imported set to the object store: its progress, why it has failed, and another attempt."""

from __future__ import annotations

import streamlit as st

from mtl_core.data.imports.import_library import shared_library
from mtl_core.language import tr
from mtl_core.runs.background.background_jobs import BackgroundJobs
from ui.shell import words
from ui.shell.error_boundary import worded
from ui.shell.page_address import rerun_page
from ui.shell.state import run_store

JOBS = BackgroundJobs("send-set")
POLL_SECONDS = 2.0


def begin_sending(home: str, name: str) -> None:
    """Send a set in the background, if there is an object store. A second call does nothing while it is sent."""
    if shared := shared_library(home):
        JOBS.start(_key(home, name), lambda progress, cancelled: shared.send(name, progress))


def sending(name: str) -> None:
    """Draw how far the sending of a set is; nothing once all machines have it, and where there is no object store."""
    shared = shared_library(run_store().home)
    if shared is not None and not shared.is_sent(name):
        _sending(name)


@st.fragment(run_every=POLL_SECONDS)
@worded
def _sending(name: str) -> None:
    store = run_store()
    home = str(store.home)
    shared, job = shared_library(home), JOBS.state_of(_key(home, name))
    if shared is None or shared.is_sent(name):
        rerun_page()
    if name in shared.moving or (job and not job["done"]):
        share, now = shared.moving.get(name, (0.0, ""))
        st.progress(min(1.0, share), text=tr("On its way to other machines: {now}", now=words.plain(tr(now)) or tr("starting")))
        return
    problem = shared.problems.get(name) or (job or {}).get("error", "")
    if problem == store.artifacts.problem:  # the status bar says it
        problem = ""
    said = tr("This data set is on this machine alone. {problem}", problem=words.plain(tr(problem)))
    st.warning(said.rstrip(), icon=":material/cloud_off:")
    st.button(tr("Send it now"), icon=":material/cloud_upload:", key=f"data.send.{name}", on_click=begin_sending, args=(home, name))


def _key(home: str, name: str) -> str:
    return f"{home} {name}"
