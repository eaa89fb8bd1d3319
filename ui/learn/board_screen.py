"""The board of a class: who trains, who waits and how long, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mtl_core.figures.colours import run_styles
from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.class_board import Entry, entries_of, expected_seconds, seconds_until_start
from mtl_core.lessons.lesson import Lesson, NothingToCompareError
from mtl_core.lessons.lesson_runs import have_finished, outcome, second_value, value_in_words
from mtl_core.runs import actions
from ui.learn.lesson_address import LessonAddress
from ui.learn.lesson_charts import Line, last_value, lesson_charts
from ui.shell import words
from ui.shell.error_boundary import worded
from ui.shell.state import run_action, run_store, whole_page_if_asked
from ui.shell.status_bar import draw_strip, notice_endings

REFRESH_SECONDS = 2.0


def show_board(address: LessonAddress) -> None:
    """Draw the board. It looks for new runs all the time, because other browsers start them."""
    st.fragment(_live, run_every=REFRESH_SECONDS)(address)


@worded
def _live(address: LessonAddress) -> None:
    draw_strip()
    _draw(address)
    if notice_endings(run_store()):
        st.rerun()
    whole_page_if_asked()


def _draw(address: LessonAddress) -> None:
    lesson: Lesson = LESSONS.load(address.lesson)()
    entries = entries_of(run_store(), address.class_id, address.lesson, lesson, address.seed)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.title(tr("Class: {title}", title=lesson.text().title), anchor=False, width="content")
        st.badge(address.class_id, color="violet", icon=":material/groups:")
        other = tr("Usual type") if address.large else tr("Large type")
        st.page_link("pages/learn.py", label=other, icon=":material/format_size:", query_params=address.query(large=not address.large))
        st.page_link("pages/learn.py", label=tr("The lesson"), icon=":material/school:", query_params=address.query(board=False))
    if not entries:
        st.info(tr("Nobody has trained yet. Runs appear here as soon as a learner presses Train."), icon=":material/hourglass_empty:")
        return
    table, charts = st.columns([6, 5], gap="large")
    with table:
        _table(address, lesson, entries)
    with charts:
        st.markdown(tr("##### The last run of each learner"))
        lesson_charts(run_store(), lesson.text(), _lines(entries), f"board.{address.class_id}", address.large)


def _lines(entries: Sequence[Entry]) -> list[Line]:
    styles, found = run_styles([entry.learner.id for entry in entries]), []
    for entry in entries:
        if entry.trainings:
            runs = list(entry.trainings.values())[-1]
            found.append(Line(runs[-1], words.shortened(entry.name, 20), *styles[entry.learner.id]))
    return found


def _table(address: LessonAddress, lesson: Lesson, entries: Sequence[Entry]) -> None:
    store = run_store()
    active, queued = store.active(), store.queued()
    seen = [run for entry in entries for runs in entry.trainings.values() for run in runs]
    waits = seconds_until_start(active, queued, expected_seconds([*active, *queued], {address.lesson: lesson}, seen))
    waiting = [run for run in seen if run.id in waits]
    st.caption(
        tr(
            "Learners: {entries} · runs: {seen} · waiting: {waiting}. One run trains at a time; waiting times are estimates.",
            entries=len(entries),
            seen=len(seen),
            waiting=len(waiting),
        )
    )
    for entry in entries:
        with st.container(border=True, gap="small"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{words.plain(entry.name)}**", width="stretch")
                st.markdown(_answered(address.lesson, lesson, entry), width="content")
            for value, runs in entry.trainings.items():
                _row(lesson, value, runs, waits)


def _row(lesson: Lesson, value: Any, runs: Sequence[Any], waits: Mapping[str, float | None]) -> None:
    going = [run for run in runs if not run.status.is_ended()]
    said, button = st.columns([4, 1], vertical_alignment="center")
    said.markdown(f"{words.plain(value_in_words(lesson, value))} :gray[· {_standing(lesson, runs, waits)}]")
    if going:
        ids = [run.id for run in going]
        button.button(tr("Stop"), icon=":material/stop:", key=f"board.stop.{runs[0].id}", width="stretch", on_click=_stop, args=(ids,))


def _standing(lesson: Lesson, runs: Sequence[Any], waits: Mapping[str, float | None]) -> str:
    """How the runs of a training stand, in words."""
    ended = sum(run.status.is_ended() for run in runs)
    active = next((run for run in runs if run.status.is_active()), None)
    some_ended = {"ended": ended, "runs": len(runs)} if len(runs) > 1 and ended < len(runs) else None
    if active:
        at = {"progress": active.progress, "time_left": words.time_left(active)}
        if some_ended:
            return tr("{ended} of {runs} runs have ended, trains: {progress:.0%}, {time_left}", **some_ended, **at)
        return tr("trains: {progress:.0%}, {time_left}", **at)
    queued = next((run for run in runs if not run.status.is_ended()), None)
    if queued:
        wait = waits.get(queued.id)
        how_long = tr("waiting time unknown") if wait is None else tr("starts in about {duration} (estimate)", duration=words.duration(wait))
        at = {"place": queued.queue_position or 1, "how_long": how_long}
        if some_ended:
            return tr("{ended} of {runs} runs have ended, number {place} in the queue, {how_long}", **some_ended, **at)
        return tr("number {place} in the queue, {how_long}", **at)
    if any(str(run.status) != "finished" for run in runs):
        return tr(str(next(run.status for run in runs if str(run.status) != "finished")))
    scalar, title = next(iter(lesson.text().charts.items()))
    shown = last_value(run_store(), runs[-1], scalar)
    return tr("{title}: {value}", title=words.plain(title.partition(" · ")[0]), value=words.plain(shown))


def _stop(run_ids: Sequence[str]) -> None:
    for run_id in reversed(run_ids):  # the queued ones first
        run_action(run_id, actions.stop)


def _answered(name: str, lesson: Lesson, entry: Entry) -> str:
    """Whether a learner has answered the question about the present runs, and rightly."""
    last = second_value(lesson, entry.trainings)
    first, second = entry.trainings.get(lesson.control.first, ()), () if last is None else entry.trainings[last]
    given = entry.learner.answers.get(name)
    if not given or not have_finished(first, second) or list(given.runs) != [run.id for run in (*first, *second)]:
        return ""
    right = _right_choice(run_store().home.as_posix(), name, tuple(run.id for run in first), tuple(run.id for run in second))
    return tr(":green[:material/check_circle: right]") if given.choice == right else tr(":orange[:material/cancel: not right]")


@st.cache_data(max_entries=500, show_spinner=False)  # finished runs do not change
def _right_choice(home: str, name: str, first: tuple[str, ...], second: tuple[str, ...]) -> str:
    store = run_store()
    try:
        return outcome(store, LESSONS.load(name)(), [store.get(run) for run in first], [store.get(run) for run in second]).key
    except NothingToCompareError:
        return ""
