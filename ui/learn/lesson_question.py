"""The question of a lesson, and what its runs say to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.lessons.lesson import Lesson, NothingToCompareError, Outcome
from mtl_core.lessons.lesson_runs import answer, have_finished, learner_of, outcome, second_asked, second_value, value_in_words
from ui.learn.lesson_address import LessonAddress
from ui.shell.state import run_store


def question(address: LessonAddress, lesson: Lesson, learner_id: str, found: Mapping[Any, Sequence[Any]]) -> None:
    """Draw the question, and once it is answered, what came out. It can be answered when both trainings have finished."""
    text, last, newest = lesson.text(), second_asked(lesson, found), second_value(lesson, found)
    first, second = found.get(lesson.control.first, ()), () if last is None else found[last]
    if not have_finished(first, second):
        st.caption(_what_is_missing(lesson, first, second, last))
        return
    if last != newest:
        told = {"value": value_in_words(lesson, last), "other": value_in_words(lesson, newest), "status": _ending(found[newest])}
        st.caption(tr("The question is about “{value}”, because the training with “{other}” was {status}.", **told))
    store, runs = run_store(), [run.id for run in (*first, *second)]
    try:
        came_out = outcome(store, lesson, first, second)
    except NothingToCompareError as error:
        st.warning(tr("These runs cannot be compared: {error}. Train again.", error=tr(str(error))))
        return
    given = learner_of(store, learner_id).answers.get(address.lesson)
    given = given if given and list(given.runs) == runs and given.choice in text.answers else None
    key = f"lesson.answer.{address.lesson}.{runs[-1]}"
    chosen = st.radio(
        text.question,
        list(text.answers),
        list(text.answers).index(given.choice) if given else None,
        format_func=lambda choice: text.answers[choice],
        key=key,
    )
    st.button(tr("Check"), key=f"{key}.check", on_click=_take, args=(learner_id, address.lesson, key, runs))
    if st.session_state.pop(_unanswered(key), False):
        st.info(tr("Choose an answer first."), icon=":material/arrow_upward:")
    if given and given.choice == chosen:
        _say(lesson, given.choice, came_out, last == lesson.control.proposed)


def _what_is_missing(lesson: Lesson, first: Sequence[Any], second: Sequence[Any], last: Any) -> str:
    """What has to happen before the question can be answered."""
    for runs, value, button in ((first, lesson.control.first, mark("Train")), (second, last, mark("Train again"))):
        if ending := _ending(runs):
            told = {"value": value_in_words(lesson, value), "status": ending, "button": tr(button)}
            return tr(
                "The training with “{value}” was {status}. Press “{button}” to train it from the beginning. The question comes when it has finished.",
                **told,
            )
    return tr("The question comes when both trainings have finished.")


def _ending(runs: Sequence[Any]) -> str:
    """How a training ended that did not finish, in words; empty for one that has finished or still can."""
    return next((tr(str(run.status)) for run in runs if run.status.is_ended() and str(run.status) != "finished"), "")


def _take(learner_id: str, lesson: str, key: str, runs: list[str]) -> None:
    """Record the choice that the browser shows. The button is always enabled: a choice that is made while a run ends redraws nothing."""
    if st.session_state.get(key):
        answer(run_store(), learner_id, lesson, st.session_state[key], runs)
    else:
        st.session_state[_unanswered(key)] = True


def _unanswered(key: str) -> str:
    return f"{key}.unanswered"


def _say(lesson: Lesson, choice: str, came_out: Outcome, as_proposed: bool) -> None:
    text = lesson.text()
    said = text.sentence(came_out)
    if choice == came_out.key:
        st.success(tr("**Right.** {said}", said=said), icon=":material/check_circle:")
    else:
        st.warning(
            tr("**Not in these runs.** The right choice is “{answers}”. {said}", answers=text.answers[came_out.key], said=said),
            icon=":material/info:",
        )
    st.markdown(remark(lesson, came_out, as_proposed))


def remark(lesson: Lesson, came_out: Outcome, as_proposed: bool) -> str:
    """Why it came out so; where it came out otherwise than usual, that it did, and nothing that claims otherwise."""
    text = lesson.text()
    seen, of = lesson.seeds_seen
    if came_out.key == lesson.usual:
        return tr("**Why?** {why}", why=text.why)
    if as_proposed:
        return tr(
            "**It came out otherwise here than usual.** When this lesson was made, “{answers}” came out with {seen} of {of} seeds. "
            "A seed is the number from which a run's random numbers are made. One run with one seed proves little; the last lesson is about that.",
            answers=text.answers[lesson.usual],
            seen=seen,
            of=of,
        )
    return tr("**This is another setting than the proposed one.** Try the proposed one too, and compare.")
