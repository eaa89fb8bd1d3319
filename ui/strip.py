"""The status strip on every page, and the page's one poller."""

from __future__ import annotations

import streamlit as st

from mtl_core.runs import actions, jobs
from mtl_core.runs.store import RunStore
from ui import words
from ui.guard import worded
from ui.preview import data_progress
from ui.state import run_store

POLL_SECONDS = 2.0


@st.fragment(run_every=POLL_SECONDS)
def polling_strip(own_run: str = "") -> None:
    """The strip as a poller of its own, for pages without a live part."""
    draw_strip(own_run)
    if _waited_for_is_ready() or notice_endings(run_store()):
        st.rerun()


@worded
def draw_strip(own_run: str = "") -> None:
    """The running run, its state, progress and Stop; what is being prepared; how many runs wait.

    Args:
        own_run: id of the run that the page itself shows, whose progress is not repeated here.
    """
    store = run_store()
    active = store.active()
    queued = len(store.queued())
    others = [run for run in active if run.id != own_run]
    with st.container(key="strip", horizontal=True, vertical_alignment="center", gap="small"):
        for run in others:
            _active_run(store, run)
        if not active:
            _idle(store, own_run)
        elif not others:
            st.markdown(":gray[:material/bolt: This run is training.]", width="content")
        if queued:
            st.markdown(f":gray[{queued} queued]", width="content")
        _preparing()


def notice_endings(store: RunStore) -> bool:
    """Whether a run that this session saw active has ended since; leaves a note that becomes a toast on the next full run."""
    seen: dict[str, str] = st.session_state.setdefault("seen_active", {})
    ended = []
    for run_id, name in list(seen.items()):
        run = store.get(run_id)
        if run.status.is_ended():
            ended.append(f"{words.plain(name)}: {run.status}")
            del seen[run_id]
    seen.update({run.id: run.name for run in store.active()})
    st.session_state.setdefault("toasts", []).extend(ended)
    return bool(ended)


def show_toasts() -> None:
    """What ended since the last full run of the page."""
    for text in st.session_state.pop("toasts", []):
        st.toast(text, icon=":material/flag:")


def _active_run(store: RunStore, run) -> None:
    colour, icon = words.STATUS_LOOK[str(run.status)]
    st.badge(str(run.status), icon=icon, color=colour)
    st.page_link("pages/run.py", label=f"**{words.plain(run.name)}**", query_params={"run": run.id})
    st.progress(run.progress, width=160)
    st.markdown(f":gray[{run.progress:.0%} · {words.time_left(run)}]", width="content")
    stop_button(store, run, key=f"strip.stop.{run.id}")


def stop_button(store: RunStore, run, key: str) -> None:
    """Stop, or "Stopping..." from the click until the run has saved its state."""
    stopping = str(run.status) == "stopping" or st.session_state.get("asked_to_stop") == run.id
    label = "Stopping…" if stopping else ("Remove from queue" if str(run.status) == "queued" else "Stop")
    st.button(label, icon=":material/stop_circle:", key=key, disabled=stopping, on_click=_stop, args=(store.home.as_posix(), run.id))


def _stop(home: str, run_id: str) -> None:
    actions.stop(run_store(), run_id)
    st.session_state["asked_to_stop"] = run_id


def _idle(store: RunStore, own_run: str) -> None:
    runs = store.runs()
    last = next((run for run in runs if run.status.is_ended()), None)
    st.markdown(":gray[:material/bedtime: Nothing is training.]", width="content")
    if last is not None and last.id != own_run:
        st.markdown(":gray[Last:]", width="content")
        st.page_link("pages/run.py", label=f"{words.plain(last.name)} ({last.status})", query_params={"run": last.id})


def _preparing() -> None:
    waiting = st.session_state.get("waiting", [])
    if "torch" in waiting and not jobs.warmed():
        st.markdown(":gray[:material/hourglass_top: Starting: loading PyTorch]", width="content")
    progress = data_progress() if "data" in waiting else None
    if progress:
        st.progress(min(1.0, progress[0]), width=140)
        st.markdown(f":gray[Preparing data: {progress[1] or 'starting'}]", width="content")


def _waited_for_is_ready() -> bool:
    waiting = st.session_state.get("waiting", [])
    return ("torch" in waiting and jobs.warmed()) or ("data" in waiting and data_progress() is None)
