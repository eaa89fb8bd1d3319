"""The screen of a lesson: steps one below another, and beside them what the runs show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import Lesson
from mtl_core.lessons.lesson_runs import learner_of, name_learner, runs_tagged, second_value, train, trainings, value_in_words
from mtl_core.runs import jobs
from ui.learn.lesson_address import OPENED, LessonAddress, following
from ui.learn.lesson_charts import lesson_charts, lesson_numbers, lines_of
from ui.learn.lesson_question import question
from ui.learn.training_state import training_state, training_time
from ui.shell import words
from ui.shell.error_boundary import is_ours, worded
from ui.shell.live_part import end_live_part, live_part
from ui.shell.state import hold, run_store
from ui.shell.styles import hide_navigation

REFRESH_SECONDS = 2.0
FAILED = (mark("failed"), mark("stopped"), mark("interrupted"))
TRAIN, AGAIN = mark("Train"), mark("Train again")  # of the buttons
_REFUSED = "lesson.refused"


def show_lesson(address: LessonAddress, learner_id: str) -> None:
    """Draw a lesson as one fragment (``ui.shell.live_part``). It refreshes while one of its runs is queued or trains."""
    links = "links" not in address.hidden
    if not links:
        hide_navigation()
    st.session_state[OPENED] = address
    live_part(_lesson, REFRESH_SECONDS if _is_going(_found(address, learner_id)) else None, address, learner_id, links=links)


@worded
def _lesson(every: float | None, address: LessonAddress, learner_id: str) -> None:
    with st.container():
        _draw(address, learner_id)
    end_live_part(every, is_as_drawn=_is_going(_found(address, learner_id)) == bool(every))


Trainings = Mapping[Any, Sequence[Any]]


def _found(address: LessonAddress, learner_id: str) -> Trainings:
    lesson: Lesson = LESSONS.load(address.lesson)()
    return trainings(address.lesson, lesson, runs_tagged(run_store(), learner_id), address.class_id, address.seed)


def _is_going(found: Trainings) -> bool:
    return any(not run.status.is_ended() for runs in found.values() for run in runs)


def _draw(address: LessonAddress, learner_id: str) -> None:
    lesson: Lesson = LESSONS.load(address.lesson)()
    text, found = lesson.text(), _found(address, learner_id)
    _heading(address, lesson)
    steps, beside = st.columns([6, 5], gap="large")
    with steps:
        if address.class_id:
            _name_field(learner_id)
        if "text" not in address.hidden:
            with _step(tr("What it is about")):
                for paragraph in text.words:
                    st.markdown(paragraph)
        with _step(tr("Train")):
            st.markdown(text.first)
            _training(address, lesson, learner_id, lesson.control.first, found, TRAIN)
        with _step(tr("Change one thing")):
            st.markdown(text.change)
            value = _control(address, lesson, found)
            _training(address, lesson, learner_id, value, found, AGAIN, ready=lesson.control.first in found)
        with _step(tr("Look")):
            st.markdown(text.look)
            _links(address, lesson, found)
        if "question" not in address.hidden:
            with _step(tr("Answer")):
                question(address, lesson, learner_id, found)
        _onward(address)
    with beside, st.container(key="beside"):
        _what_runs_show(address, lesson, found)


def _heading(address: LessonAddress, lesson: Lesson) -> None:
    names = list(LESSONS)
    st.session_state["lesson.step"] = 0
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(tr("Lesson {index} of {names}", index=names.index(address.lesson) + 1, names=len(names)), width="content")
        if not address.class_id:
            st.page_link("pages/learn.py", label=tr("All lessons"), icon=":material/arrow_back:")
        else:
            st.badge(address.class_id, color="violet", icon=":material/groups:")
            if "links" not in address.hidden:
                st.page_link("pages/learn.py", label=tr("Board of the class"), icon=":material/leaderboard:", query_params=address.query(board=True))
    st.title(lesson.text().title, anchor=False)
    st.markdown(tr(":gray[Aim:] {aim}", aim=lesson.text().aim))


def _step(title: str) -> Any:
    """A box with a number; the steps that are hidden are not counted."""
    number = st.session_state["lesson.step"] = st.session_state["lesson.step"] + 1
    box = st.container(border=True, gap="small")
    box.markdown(f"##### {number}. {title}")
    return box


def _name_field(learner_id: str) -> None:
    """Draw the field of the learner's name. A browser that was here before says who learns after the page is drawn; a name typed before stays."""
    key, known = "learner.name", learner_of(run_store(), learner_id).name
    typed, refused = st.session_state.get(key), st.session_state.get(f"{key}.refused")
    if typed and not known and not refused:
        _take_name(learner_id, key)
        known = learner_of(run_store(), learner_id).name
    with st.container(border=True, gap="small"):
        about = tr("Your runs appear under this name on the board of the class. Anybody who opens this dashboard can read it.")
        shown = hold(key, known) if known and not refused else known
        st.text_input(tr("Your name"), shown, key=key, help=about, on_change=_take_name, args=(learner_id, key))
        if not known:
            st.caption(tr("Type a name, then press Enter: Train is enabled when you have one."))
        if refused := st.session_state.get(f"{key}.refused"):  # now, too, where the name was taken above
            st.error(words.plain(tr(refused)))


def _take_name(learner_id: str, key: str) -> None:
    st.session_state.pop(f"{key}.refused", None)
    try:
        name_learner(run_store(), learner_id, st.session_state[key])
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[f"{key}.refused"] = str(error)


def _control(address: LessonAddress, lesson: Lesson, found: Trainings) -> Any:
    """Draw the one thing to change. Returns the chosen value."""
    text, control = lesson.text(), lesson.control
    last = second_value(lesson, found)
    start = control.proposed if last is None else last
    if "change" in address.hidden:
        st.markdown(tr("{label}: **{value}**", label=text.control, value=value_in_words(lesson, control.proposed)))
        return control.proposed
    label, key = text.control, _value_key(address, is_trained=last is not None)
    if not text.choices:
        chosen = st.select_slider(label, list(control.values), start, key=key)
    else:
        offered = [value for value in control.values if value != control.first]
        if len(offered) == 1:
            st.markdown(tr("{label}: **{value}**", label=label, value=value_in_words(lesson, start)))
            return start
        chosen = st.radio(label, offered, offered.index(start), format_func=lambda value: value_in_words(lesson, value), key=key)
    return start if chosen is None else chosen


def _value_key(address: LessonAddress, is_trained: bool) -> str:
    """Key of the choice. Another one once a change was trained: the page is drawn before it knows the learner, whose last change is then chosen.

    ``ui.shell.form_editions.key_for`` is for values that are kept elsewhere. This one is only in its widget, so any choice would get a new key.
    """
    return f"lesson.value.{address.lesson}{'.trained' if is_trained else ''}"


def _training(address: LessonAddress, lesson: Lesson, learner_id: str, value: Any, found: Trainings, label: str, ready: bool = True) -> None:
    """Draw the button that trains with a value, and how its runs stand."""
    runs = found.get(value, ())
    again = any(str(run.status) in FAILED for run in runs)
    if runs and not again:
        training_state(runs)
        return
    for run in runs:
        if str(run.status) in FAILED:
            said = tr("The run was {status}.", status=tr(str(run.status)))
            why = [words.plain(tr(run.failure[part])) for part in ("message", "cure") if run.failure and run.failure.get(part)]
            st.warning(" ".join([said, *why]), icon=":material/error:")
    named = not address.class_id or bool(learner_of(run_store(), learner_id).name)
    is_change = value != lesson.control.first or label == TRAIN
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            tr(label),
            type="primary",
            icon=":material/play_arrow:",
            key=f"lesson.train.{address.lesson}.{label}",
            disabled=not (ready and named and is_change),
            on_click=_train,
            args=(address, learner_id, value, label == AGAIN),
        )
        st.caption(training_time(address.lesson, lesson, value))
    if not ready:
        st.caption(tr("Train step by step: first the network above."))
    elif not is_change:
        st.caption(tr("This is what the first run has. Choose another value."))
    if refused := st.session_state.get(_REFUSED):
        st.error(words.plain(tr(refused)), icon=":material/block:")


def _request(address: LessonAddress, learner_id: str, lesson: Lesson, value: Any, runs: Sequence[Any]) -> str:
    """Id of the request: the same for clicks at the same moment, another one after runs that have failed, and for another seed."""
    last = max((run.id[-4:] for run in runs), default="")
    seed = "" if address.seed is None else f"s{address.seed}"
    return f"{learner_id[-12:]}{address.class_id[-8:]}{address.lesson[:22]}.{lesson.control.values.index(value)}{last}{seed}"


def _train(address: LessonAddress, learner_id: str, value: Any, is_second: bool) -> None:
    """Train with the value that the browser shows. It may be newer than ``value``: a choice that is made while a run ends redraws nothing."""
    st.session_state.pop(_REFUSED, None)
    lesson: Lesson = LESSONS.load(address.lesson)()
    if is_second and "change" not in address.hidden:
        shown = (st.session_state.get(_value_key(address, is_trained)) for is_trained in (True, False))
        value = next((each for each in shown if each is not None), value)
    if is_second and value == lesson.control.first:
        return
    runs = _found(address, learner_id).get(value, ())
    if runs and not any(str(run.status) in FAILED for run in runs):  # a second click, or a tab that has not heard of the first one
        return
    request = _request(address, learner_id, lesson, value, runs)
    try:
        train(run_store(), address.lesson, learner_id, value, class_id=address.class_id, seed=address.seed, request_id=request)
        jobs.start_worker(run_store())
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[_REFUSED] = str(error)


def _links(address: LessonAddress, lesson: Lesson, found: Trainings) -> None:
    if "links" in address.hidden:
        return
    st.caption(lesson.text().panel)
    first = found.get(lesson.control.first)
    last = second_value(lesson, found)
    pages = ((tr("Open the page of the first run"), first), (tr("Open the page of the last run"), None if last is None else found[last]))
    for title, runs in pages:
        if runs and runs[0].info:
            st.page_link(
                "pages/run.py",
                label=title,
                icon=":material/monitoring:",
                query_params={"run": runs[0].id},
            )


def _onward(address: LessonAddress) -> None:
    if address.class_id or "links" in address.hidden:
        return
    after = following(address.lesson)
    if after:
        title = LESSONS.load(after)().text().title
        st.page_link("pages/learn.py", label=tr("Next lesson: {title}", title=title), icon=":material/arrow_forward:", query_params={"lesson": after})
    else:
        st.page_link("pages/studies.py", label=tr("Ask a question of your own: Studies"), icon=":material/science:")


def _what_runs_show(address: LessonAddress, lesson: Lesson, found: Trainings) -> None:
    st.markdown(tr("##### What the runs show"))
    lines = lines_of(lesson, found)
    if not lines:
        st.caption(tr("The curves appear here when you press Train. They grow while the network learns."))
        return
    lesson_charts(run_store(), lesson.text(), lines, address.lesson, address.large)
    lesson_numbers(run_store(), lesson, lines)
