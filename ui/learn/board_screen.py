"""The board of a class: who trains, who waits and how long, and what came out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mtl_core.figures.colours import run_styles
from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.class_board import Entry, entries_of, waits
from mtl_core.lessons.lesson import Lesson, NothingToCompareError
from mtl_core.lessons.lesson_runs import have_finished, outcome, second_asked, value_in_words
from ui.learn.class_form import server_address
from ui.learn.lesson_address import LessonAddress
from ui.learn.lesson_charts import Line, lesson_charts, value_of
from ui.learn.training_state import how_long, stop_runs
from ui.shell import words
from ui.shell.error_boundary import worded
from ui.shell.page_address import rerun_page
from ui.shell.state import run_store, whole_page_if_asked
from ui.status.status_bar import draw_strip, notice_endings

REFRESH_SECONDS = 2.0


def show_board(address: LessonAddress) -> None:
    """Draw the board. It looks for new runs all the time, because other browsers start them."""
    st.fragment(_live, run_every=REFRESH_SECONDS)(address)


@worded
def _live(address: LessonAddress) -> None:
    draw_strip()
    _draw(address)
    if notice_endings(run_store()):
        rerun_page()
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
    with st.container(key="class_link", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(tr("Learners open"), width="content")
        st.code(f"{server_address()}/{address.link(board=False, large=False)}", language=None, wrap_lines=True)
    if not entries:
        st.info(tr("Nobody has trained yet. Runs appear here as soon as a learner presses Train."), icon=":material/hourglass_empty:")
        return
    _tiles(address, lesson, entries)
    _charts(address, lesson, entries)


def _charts(address: LessonAddress, lesson: Lesson, entries: Sequence[Entry]) -> None:
    lines = _lines(lesson, entries)
    trained = sum(bool(entry.trainings) for entry in entries)
    said = [tr("Each curve is of a learner's last training.")] if any(len(entry.trainings) > 1 for entry in entries) else []
    if len(lines) < trained:
        said.append(tr("Equal curves are drawn once: with one seed, the same choice gives the same numbers."))
    if said:
        st.caption(" ".join(said))
    lesson_charts(run_store(), lesson.text(), lines, f"board.{address.class_id}", address.large, beside=True)


def _lines(lesson: Lesson, entries: Sequence[Entry]) -> list[Line]:
    """A line for the last run of each learner; finished runs with the same numbers share one, which says how many they are."""
    styles, groups = run_styles([entry.learner.id for entry in entries]), {}
    for entry in entries:
        if entry.trainings:
            value, runs = list(entry.trainings.items())[-1]
            same = _fingerprint(run_store().home.as_posix(), runs[-1].id, tuple(lesson.text().charts)) if str(runs[-1].status) == "finished" else ""
            groups.setdefault((value, same or runs[-1].id), []).append((entry, runs[-1]))
    found = []
    for (value, _), members in groups.items():
        entry, run = members[0]
        name = words.shortened(entry.name, 20) if len(members) == 1 else _together(lesson, value, len(members))
        found.append(Line(run, name, *styles[entry.learner.id]))
    return found


def _together(lesson: Lesson, value: Any, members: int) -> str:
    return tr("{value}: {members} learners", value=value_in_words(lesson, value), members=members)


@st.cache_data(max_entries=500, show_spinner=False)  # finished runs do not change
def _fingerprint(home: str, run_id: str, scalars: tuple[str, ...]) -> str:
    """The same for runs that have recorded the same values of these scalars."""
    rows = run_store().scalars(run_id)
    rows = rows[rows["key"].isin(scalars)].sort_values(["key", "step"])
    return hashlib.sha1(rows[["key", "step", "value"]].to_json(orient="values").encode()).hexdigest()


def _tiles(address: LessonAddress, lesson: Lesson, entries: Sequence[Entry]) -> None:
    """Draw a small box for each learner: who, what came out or how long it waits, and Stop."""
    seen = [run for entry in entries for runs in entry.trainings.values() for run in runs]
    until_start = waits(run_store())
    waiting = [run for run in seen if run.id in until_start]
    title = next(iter(lesson.text().charts.values()))
    st.caption(
        tr(
            "Learners: {entries} · runs: {seen} · waiting: {waiting} · numbers: {title}. One run trains at a time; waiting times are estimates.",
            entries=len(entries),
            seen=len(seen),
            waiting=len(waiting),
            title=words.plain(title),
        )
    )
    with st.container(key="class_tiles"):
        for entry in entries:
            with st.container(border=True, horizontal=True, vertical_alignment="center", gap="xsmall", key=f"tile_{entry.learner.id}"):
                stands = [
                    tr("{value}: {standing}", value=words.plain(value_in_words(lesson, value)), standing=_standing(lesson, runs, until_start))
                    for value, runs in entry.trainings.items()
                ]
                name = f"**{words.plain(words.shortened(entry.name, 24))}** {_answered(address.lesson, lesson, entry)}"
                st.markdown("  \n".join([name, *stands]))
                stop_runs([run for runs in entry.trainings.values() for run in runs], key=f"board.stop.{entry.learner.id}")


def _standing(lesson: Lesson, runs: Sequence[Any], until_start: Mapping[str, float | None]) -> str:
    """How the runs of a training stand, in a few words."""
    ended = sum(run.status.is_ended() for run in runs)
    active = next((run for run in runs if run.status.is_active()), None)
    some_ended = {"ended": ended, "runs": len(runs)} if len(runs) > 1 and ended < len(runs) else None
    if active:
        if some_ended:
            return tr("{ended} of {runs} runs, trains, {progress:.0%}", **some_ended, progress=active.progress)
        return tr("trains, {progress:.0%}", progress=active.progress)
    queued = next((run for run in runs if not run.status.is_ended()), None)
    if queued:
        at = {"place": queued.queue_position or 1, "how_long": how_long(until_start.get(queued.id))}
        if some_ended:
            return tr("{ended} of {runs} runs, number {place}, {how_long}", **some_ended, **at)
        return tr("number {place}, {how_long}", **at)
    if any(str(run.status) != "finished" for run in runs):
        return tr(str(next(run.status for run in runs if str(run.status) != "finished")))
    return words.plain(_value(run_store().home.as_posix(), runs[-1].id, lesson))


@st.cache_data(max_entries=500, show_spinner=False)  # finished runs do not change
def _value(home: str, run_id: str, _lesson: Lesson) -> str:
    return value_of(run_store(), _lesson, run_store().get(run_id), next(iter(_lesson.text().charts)))


def _answered(name: str, lesson: Lesson, entry: Entry) -> str:
    """Whether a learner has answered the question about the present runs, and rightly."""
    last = second_asked(lesson, entry.trainings)
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
