"""Questions of an import, where the files can be read in several ways: each with its readings drawn on images. The check needs all answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import streamlit as st

from mtl_core.data.imports import answer, preview
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.figures.gallery import contact_sheet, png
from mtl_core.figures.picture_font import picture_language
from mtl_core.language import language, mark, speaking, tr
from ui.data.data_gallery import drawn_target
from ui.drawing.contact_sheets import ink
from ui.importing.import_draft import draft, field_key, fingerprint, job_key, place_of
from ui.shell import page_jobs, words
from ui.shell.error_boundary import is_ours
from ui.shell.state import torch_is_ready, wait_for

SHOWN = 4  # pictures of a reading
TILE_PIXELS = 224


def asked(proposal: Any) -> list[Any]:
    """The questions of the scan whose source is still in the settings, each with the source's current position."""
    return _placed(proposal.questions, proposal)


def _placed(questions: Any, read_as: Any) -> list[Any]:
    """Questions about the sources of ``read_as.spec`` with the sources' current positions; without those of removed sources."""
    found = []
    for question in questions:
        place = None if question.source is None else place_of(read_as, question.source)
        if question.source is None or place is not None:
            found.append(replace(question, source=place))
    return found


def open_questions(proposal: Any) -> list[Any]:
    """The questions that this session has not answered."""
    return [question for question in asked(proposal) if question.name not in draft()["answers"]]


def questions_step(proposal: Any) -> None:
    """Draw all questions of the scan, answered ones included."""
    questions = asked(proposal)
    if not questions:
        return
    left = len(open_questions(proposal))
    with st.container(border=True, key="import_questions"):
        with st.container(horizontal=True, vertical_alignment="center"):
            said = (
                tr("**Questions** :gray[the files can be read in more than one way: {left} to answer]", left=left)
                if left
                else tr("**Questions** :gray[the files can be read in more than one way: all answered]")
            )
            st.markdown(said, width="content")
            st.space("stretch")
            if any(question.taken for question in open_questions(proposal)):
                st.button(tr("Use the suggestions"), icon=":material/done_all:", key="import.suggested", on_click=_take_suggested, args=(proposal,))
        for question in questions:
            _question(question)


def check_questions_step(examined: Any) -> None:
    """Draw the questions that only the check found, since it reads every file. An answer changes the settings, and the files need another check."""
    questions = _placed(examined.report.questions, examined)
    if not questions:
        return
    if fingerprint() == draft()["checked"]:  # a question that returns after its answer is open again
        for question in questions:
            if draft()["answers"].pop(question.name, None):
                st.session_state.pop(field_key("question", question.name), None)
    with st.container(border=True, key="import_check_questions"):
        st.markdown(tr("**Questions of the check** :gray[answer them, then check the files again]"))
        for question in questions:
            _question(question)


def _question(question: Any) -> None:
    st.markdown(f"**{words.plain(tr(question.text))}**")
    if question.evidence:
        st.caption(words.plain(tr(question.evidence)))
    titles = {reading.name: words.plain(_title(reading)) for reading in question.readings}
    given = draft()["answers"].get(question.name)
    key = field_key("question", question.name)

    def take() -> None:
        if key == field_key("question", question.name) and st.session_state[key] not in (None, draft()["answers"].get(question.name)):
            take_answer(question, st.session_state[key])

    st.radio(
        tr(question.text),
        list(titles),
        list(titles).index(given) if given else None,
        key=key,
        format_func=lambda name: tr("{title} :gray[(suggested)]", title=titles[name]) if name == question.taken else titles[name],
        on_change=take,
        horizontal=len(titles) <= 3,
        label_visibility="collapsed",
    )
    if question.examples:
        _readings(question)


def _title(reading: Any) -> str:
    """A reading in words. Its classes are the user's."""
    head, _, names = reading.title.partition(": ")
    return tr("classes: {names}", names=names) if head == "classes" else tr(reading.title)


def _readings(question: Any) -> None:
    """Draw the example images under each reading, side by side."""
    if not torch_is_ready():
        return
    for place, reading in zip(st.columns(min(3, len(question.readings))), question.readings[:3], strict=False):
        with place:
            sheet, said = _sheet(question, reading.name)
            st.markdown(f":small[**{words.plain(words.shortened(_title(reading), 80))}**]")
            if sheet is not None:
                st.image(sheet, alt=tr("{examples} if read as: {title}", examples=", ".join(question.examples[:SHOWN]), title=_title(reading)))
            for sentence in said[:4]:
                st.caption(words.plain(words.shortened(tr(sentence), 160)))


def _sheet(question: Any, reading: str) -> tuple[bytes | None, list[str]]:
    """The contact sheet of a reading and its sentences. A background job draws it once per state of the settings."""
    try:
        spec = answer(ImportSpec.from_dict(draft()["spec"]), question, reading)
    except Exception as error:
        if not is_ours(error):
            raise
        return None, [tr(str(error))]
    path, text, colour = draft()["path"], spec.to_yaml(), ink()
    mark = f"{question.name} {reading} {hashlib.sha256(f'{language()}{colour}{text}'.encode()).hexdigest()[:16]}"
    if mark in draft()["sheets"]:
        return draft()["sheets"][mark]
    key = job_key(f"reading {mark}")
    state = page_jobs.state_of(key)
    if state is None:
        source, examples = question.source, question.examples[:SHOWN]
        spoken = language()
        state = page_jobs.begin(key, lambda progress, cancelled: _drawn(path, text, examples, source, colour, cancelled, spoken))
    if not state["done"]:
        wait_for("work")
        return None, [tr("Drawing...")]
    draft()["sheets"][mark] = state["result"] if state["result"] is not None else (None, [state["error"]])
    page_jobs.drop(key)
    return draft()["sheets"][mark]


def _drawn(
    path: str, text: str, examples: tuple[str, ...], source: int | None, colour: str, cancelled: Callable[[], bool], spoken: str
) -> tuple[bytes | None, list[str]]:
    """Draw one row of images for each task of the source."""
    spec = ImportSpec.from_yaml(text)
    if source is not None:
        spec = spec.model_copy(update={"sources": [spec.sources[source]], "tasks": None})
    found = preview(path, spec, examples, cancelled)
    if not found.keys:
        return None, list(found.refused) or [mark("None of these images can be read this way")]
    rows = []
    with speaking(spoken), speaking(picture_language()):
        for task in found.tasks or (None,):
            tiles = [drawn_target(found.data, row, task, TILE_PIXELS, small=True) for row in range(len(found.keys))]
            rows.append((task.name if task is not None and len(found.tasks) > 1 else "", tiles))
    with speaking(spoken):  # a job's thread draws no screen
        given = [_in_words(task) for task in found.tasks]
        refused = [tr("Not used: {sentence}", sentence=tr(sentence)) for sentence in found.refused]
    return png(contact_sheet(rows[:4], ink=colour, text_height=22)), [*given, *refused]


def _in_words(task: Any) -> str:
    said = {"task": task.name, "kind": tr(task.kind.replace("_", " "))}
    if task.classes:
        return tr("{task}: {kind}, {count} classes: {classes}", count=len(task.classes), classes=", ".join(task.classes), **said)
    return tr("{task}: {kind}", **said) + words.unit_words(task.unit)


def take_answer(question: Any, reading: str) -> None:
    """Write the reading into the settings of the import."""
    try:
        draft()["spec"] = answer(ImportSpec.from_dict(draft()["spec"]), question, reading).to_dict()
        draft()["answers"][question.name] = reading
        draft()["renewed"] = True
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["import_refused"] = str(error)


def _take_suggested(proposal: Any) -> None:
    for question in open_questions(proposal):
        if question.taken:
            take_answer(question, question.taken)
            st.session_state[field_key("question", question.name)] = question.taken
