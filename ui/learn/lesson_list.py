"""The list of lessons, with what this browser has done of them."""

from __future__ import annotations

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import Lesson
from mtl_core.lessons.lesson_runs import Learner, learner_of, runs_tagged, second_value, trainings
from ui.shell import words
from ui.shell.error_boundary import errors_as_text
from ui.shell.state import run_store
from ui.shell.styles import columns_in_lines

IN_A_ROW = 3


def lesson_list(learner_id: str) -> None:
    """Draw a card for each lesson, in the order in which they are taught."""
    store = run_store()
    learner, runs = learner_of(store, learner_id), runs_tagged(store, learner_id)
    st.markdown(
        tr(
            "Each lesson trains a small network here, in seconds to half a minute. You change **one** thing, "
            "train again, and answer a question about "
            "what came out. Start with the first: the others build on it. Leave at any time; this browser finds your place again."
        )
    )
    names = list(LESSONS)
    for start in range(0, len(names), IN_A_ROW):
        for place, name in zip(columns_in_lines(IN_A_ROW, f"lessons-{start}"), names[start : start + IN_A_ROW], strict=False):
            card = place.container(border=True, height="stretch", key=f"lesson_card_{name}", gap="small")
            with card, errors_as_text():  # a lesson of another package may be broken
                _card(name, names.index(name) + 1, learner, runs)


def _card(name: str, number: int, learner: Learner, runs: list) -> None:
    lesson: Lesson = LESSONS.load(name)()
    text = lesson.text()
    st.page_link("pages/learn.py", label=f"**{number}. {text.title}**", query_params={"lesson": name})
    st.markdown(text.aim)
    seconds = sum(lesson.seconds)
    progress = progress_of(name, lesson, learner, runs)
    st.caption(tr("{progress} · about {duration} of one CPU core", progress=progress, duration=words.duration(seconds)))


def progress_of(name: str, lesson: Lesson, learner: Learner, runs: list) -> str:
    """How far a learner is with a lesson, in words."""
    found = trainings(name, lesson, runs)
    if not found:
        return tr(":gray[:material/radio_button_unchecked: not begun]")
    answered = learner.answers.get(name)
    if answered:
        return tr(":green[:material/check_circle: done]")
    if second_value(lesson, found) is None:
        return tr(":blue[:material/timelapse: begun]")
    return tr(":blue[:material/timelapse: the question is left]")
