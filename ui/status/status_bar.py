"""The status bar on every page. On pages without a live part, it is what follows the store."""

from __future__ import annotations

from collections import Counter
from typing import Any

import streamlit as st

from mtl_core.data.imports.import_library import shared_library
from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import name_with_learner, shown_name
from mtl_core.runs import jobs
from mtl_core.runs.sets.set_states import set_problems
from mtl_core.runs.store import RunStore
from ui.run.run_actions import pause_button, stop_button
from ui.shell import words
from ui.shell.error_boundary import is_ours, worded
from ui.shell.language_choice import language_switch
from ui.shell.page_address import rerun_page, return_to_page
from ui.shell.state import run_store, whole_page_if_asked
from ui.status.cluster_list import cluster_popover
from ui.status.gauge_bar import draw_gauges
from ui.status.machine_panel import machine_popover
from ui.status.notices import add_notice, browser_notices, notice_alerts
from ui.status.queue_list import queue_popover
from ui.status.strip_news import StripNews, trained_run
from ui.status.toasts import MOST, add_toast
from ui.train.sample_preview import data_progress

LETTERS = 34  # of a run's name
MOST_RUNS = 3  # that are shown one by one; a cluster trains dozens


def polling_strip(own_run: str = "", links: bool = True) -> None:
    """Draw the status bar so that it follows the store, for pages without a live part. It is drawn anew when there is news (``strip_news.py``)."""
    news = StripNews(own_run)

    @worded
    def strip() -> None:
        news.begin()
        draw_strip(own_run, links, news)
        if _waited_for_is_ready() or notice_endings(run_store()) or _was_resumed(own_run):
            rerun_page()
        news.end()
        whole_page_if_asked()
        return_to_page()

    st.fragment(strip, key="polling-strip")()


def _was_resumed(run_id: str) -> bool:
    """Whether the ended run on the page was resumed or deleted, here or in another tab."""
    run = _run_or_none(run_store(), run_id) if run_id else None
    return bool(run_id) and (run is None or not run.status.is_ended())


def _run_or_none(store: RunStore, run_id: str):
    """The run; None where it was deleted."""
    try:
        return store.get(run_id)
    except Exception as error:
        if not is_ours(error):
            raise
        return None


@worded
def draw_strip(own_run: str = "", links: bool = True, news: StripNews | None = None) -> None:
    """Draw the active runs with state, progress and Stop, the queue, and the current preparation.

    Args:
        own_run: id of the run that the page itself shows; its progress is not repeated.
        links: whether runs are links to their pages; without, a number stands for the list of the queue, and the machine is left out.
        news: lets the page's script ask for news; None where another part of the page does.
    """
    with st.container():  # one element, whatever is in it: what follows keeps its place
        _strip(own_run, links, news)


def _strip(own_run: str, links: bool, news: StripNews | None) -> None:
    store = run_store()
    active = store.active()
    queued = store.queued()
    others = [run for run in active if run.id != own_run]
    with st.container(key="strip", horizontal=True, vertical_alignment="center", gap="small"):
        for run in others[:MOST_RUNS]:
            with st.container(key=f"strip_run_{run.id}", horizontal=True, vertical_alignment="center", gap="small", width="content"):
                _active_run(store, run, with_device=len(active) > 1, links=links)  # one piece: where the line ends, a whole run begins the next
        if len(others) > MOST_RUNS:
            st.markdown(tr(":gray[and {count} more]", count=len(others) - MOST_RUNS), width="content")
        if not active:
            _idle(store, own_run, links)
        elif not others:
            own = {"paused": tr(":material/pause: This run is paused."), "pausing": tr(":material/pause: This run is pausing.")}
            st.markdown(f":gray[{own.get(str(active[0].status)) or tr(':material/bolt: This run is training.')}]", width="content")
        if queued and links:
            queue_popover(queued, active)
        elif queued:
            st.markdown(tr("{count} queued", count=len(queued)), width="content")
        cluster_popover(store, len(queued))
        _preparing()
        _moving_sets(store)
        trains = trained_run(active, own_run)
        if links:
            machine_popover(store, trains)
        if trains:
            draw_gauges(store, trains)
        browser_notices()
        if news is not None:
            news.follow()
        st.space("stretch")
        language_switch()
    if problem := jobs.queue_problem(store):
        st.warning(tr("Queued runs do not start: {problem}", problem=words.plain(tr(problem))), icon=":material/hourglass_disabled:")
    if problem := store.artifacts.problem:
        text = tr("Pages show what this machine has, and its runs are sent later: {problem}", problem=words.plain(tr(problem)))
        st.warning(text, icon=":material/cloud_off:")
    for problem in set_problems(store):
        st.warning(tr("Imported data sets: {problem}", problem=words.plain(tr(problem))), icon=":material/cloud_off:")


def notice_endings(store: RunStore) -> bool:
    """Whether a run that this session saw queued or active has ended, or any run has reported an alert. Notes it for a toast at the next full
    rerun, because a toast of this rerun may not reach the browser before it."""
    news = notice_alerts(store)
    seen: dict[str, str] = st.session_state.setdefault("seen_active", {})
    going = {run.id: shown_name(run) for run in (*store.active(), *store.queued())}
    ended = [_run_or_none(store, run_id) for run_id in seen if run_id not in going]
    said = _endings_in_words(store, [run for run in ended if run is not None])
    for run in ended:
        if run is not None and run.started_at is not None:
            how = tr(str(run.status))
            how = tr("{status}: {why}", status=how, why=tr(run.failure["message"])) if run.failure else how
            add_notice(f"end-{run.id}-{run.finished_at}", shown_name(run), how)
    st.session_state["seen_active"] = going
    for text in said:
        add_toast(text)
    return bool(said) or news


def _endings_in_words(store: RunStore, ended: list[Any]) -> list[str]:
    """How each run ended; of more than a few, such as those of a study that is stopped, how many ended in which way."""
    how = [tr("removed from the queue") if run.started_at is None else tr(str(run.status)) for run in ended]
    if len(ended) <= MOST:
        return [tr("{run}: {how}", run=words.plain(name_with_learner(store, run)), how=each) for run, each in zip(ended, how, strict=True)]
    return [tr("{runs:,} {runs:run|runs}: {how}", runs=count, how=each) for each, count in Counter(how).most_common()]


def _active_run(store: RunStore, run, with_device: bool, links: bool) -> None:
    colour, icon = words.STATUS_LOOK[str(run.status)]
    st.badge(tr(str(run.status)), icon=icon, color=colour)
    _run_name("**{name}**", name_with_learner(store, run), run, links)
    st.progress(run.progress, width=160)
    st.markdown(f":gray[{run.progress:.0%} · {words.time_left(run)}]", width="content")
    if with_device:
        st.badge(run.device, color="gray", icon=":material/memory:")
    if str(run.status) == "paused":
        pause_button(run, key=f"strip.pause.{run.id}")
    stop_button(run, key=f"strip.stop.{run.id}")


def _run_name(label: str, name: str, run, is_link: bool) -> None:
    """Draw a run's name in the label. Of a long one the bar has the beginning and the end, and the pointer gets the whole."""
    shown = words.shortened_inside(name, LETTERS)
    label, whole = label.format(name=words.plain(shown)), words.plain(name) if shown != name else None
    if is_link:
        st.page_link("pages/run.py", label=label, help=whole, query_params={"run": run.id})
    else:
        st.markdown(label, width="content", help=whole)


def _idle(store: RunStore, own_run: str, links: bool) -> None:
    last = store.last_ended()
    st.markdown(tr(":gray[:material/bedtime: Nothing is training.]"), width="content")
    if last is not None and last.id != own_run:
        st.markdown(tr(":gray[Last:]"), width="content")
        _run_name(tr("{name} ({status})", name="{name}", status=tr(str(last.status))), name_with_learner(store, last), last, links)


def _preparing() -> None:
    waiting = st.session_state.get("waiting", [])
    if "torch" in waiting and not jobs.warmed():
        st.markdown(tr(":gray[:material/hourglass_top: Loading PyTorch]"), width="content")
    progress = data_progress() if "data" in waiting else None
    if progress:
        st.progress(min(1.0, progress[0]), width=140)
        st.markdown(tr(":gray[Preparing data: {now}]", now=tr(progress[1]) or tr("starting")), width="content")


def _moving_sets(store: RunStore) -> None:
    """Draw how far the sending and fetching of imported sets in this process is."""
    shared = shared_library(store.home)
    for name, (share, now) in list(shared.moving.items()) if shared else ():
        st.progress(min(1.0, share), width=140)
        st.markdown(tr(":gray[Data set {name}: {now}]", name=words.plain(name), now=tr(now)), width="content")


def _waited_for_is_ready() -> bool:
    waiting = st.session_state.get("waiting", [])
    if "work" in waiting:  # the page draws the progress of its job
        return True
    return ("torch" in waiting and jobs.warmed()) or ("data" in waiting and data_progress() is None)
