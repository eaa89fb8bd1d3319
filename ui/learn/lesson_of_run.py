"""The line on the page of a lesson's run: the way back to the lesson, whose run it is, and what the tasks are called there."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import SOURCE, language, tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.lesson import task_words
from mtl_core.lessons.lesson_runs import class_in, learner_in, learner_of, lesson_of
from mtl_core.runs.store import RunStore
from ui.learn.lesson_address import OPENED, LessonAddress
from ui.shell import words


def lesson_line(store: RunStore, run: Any) -> None:
    """Draw the line; nothing for a run of no lesson."""
    found = lesson_of(run.tags)
    if not found or found[0] not in LESSONS:
        return
    title = LESSONS.load(found[0])().text().title
    with st.container(key="lesson_line", horizontal=True, vertical_alignment="center", gap="small"):
        st.page_link(
            "pages/learn.py",
            label=tr("Back to lesson {number}: {title}", number=list(LESSONS).index(found[0]) + 1, title=title),
            icon=":material/school:",
            query_params=_address(found[0], run).query(),
        )
        if name := learner_of(store, learner_in(run.tags)).name:
            st.badge(words.plain(name), icon=":material/person:", color="violet")
        if code := class_in(run.tags):
            st.badge(code, icon=":material/groups:", color="violet")
        if language() != SOURCE:
            called = [f"{task}: {word}" for task in run.config.tasks if (word := task_words(task)) != task]
            st.caption(words.plain(" · ".join(called)), width="content")


def is_of_lesson(tag: str) -> bool:
    """Whether the line says what this tag says."""
    found = lesson_of((tag,))
    return bool(found and found[0] in LESSONS) or bool(learner_in((tag,)) or class_in((tag,)))


def _address(lesson: str, run: Any) -> LessonAddress:
    """The lesson as this browser opened it last, with what its class hides; else as the run's tags say."""
    opened, code = st.session_state.get(OPENED), class_in(run.tags)
    if isinstance(opened, LessonAddress) and (opened.lesson, opened.class_id) == (lesson, code):
        return opened
    return LessonAddress(lesson=lesson, class_id=code, seed=run.config.seed if code else None)
