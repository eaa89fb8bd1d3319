"""Questions of an import, where the files can be read in several ways: each with its readings drawn on images. The check needs all answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from mtl_core.data.imports import answer
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.language import tr
from ui.importing.import_draft import draft, field_key, fingerprint, place_of
from ui.importing.import_pictures import drawn_sheet
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.state import torch_is_ready
from ui.shell.styles import columns_in_lines

SHOWN, BESIDE = 4, 3  # pictures of a reading; readings in a line


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
    """Draw the example images under each reading, ``BESIDE`` of them side by side."""
    if not torch_is_ready():
        return
    readings = question.readings
    sheets = [_sheet(question, reading.name) for reading in readings]
    lines = range(0, len(readings), BESIDE)
    places = [place for first in lines for place in columns_in_lines(min(BESIDE, len(readings)), f"{question.name} {first}")]
    for place, reading, (sheet, _), said in zip(places, readings, sheets, own_sentences(sheets), strict=False):
        with place:
            st.markdown(f":small[**{words.plain(words.shortened(_title(reading), 80))}**]")
            if sheet is not None:
                st.image(sheet, alt=tr("{examples} if read as: {title}", examples=", ".join(question.examples[:SHOWN]), title=_title(reading)))
            for sentence in said[:4]:
                st.caption(words.plain(words.shortened(tr(sentence), 160)))


def own_sentences(sheets: Sequence[tuple[bytes | None, list[str]]]) -> list[list[str]]:
    """The sentences of each reading. Where each has pictures, those that all readings have are left out, because they help nobody to choose; while
    a picture is missing, those of the others wait for it."""
    if len(sheets) > 1 and all(sheet is not None for sheet, _ in sheets):
        same = set(sheets[0][1]).intersection(*(said for _, said in sheets[1:]))
        return [[sentence for sentence in said if sentence not in same] for _, said in sheets]
    return [said if sheet is None else [] for sheet, said in sheets] if len(sheets) > 1 else [said for _, said in sheets]


def _sheet(question: Any, reading: str) -> tuple[bytes | None, list[str]]:
    """The contact sheet of a reading and its sentences. A background job draws it once per state of the settings."""
    try:
        spec = answer(ImportSpec.from_dict(draft()["spec"]), question, reading)
    except Exception as error:
        if not is_ours(error):
            raise
        return None, [tr(str(error))]
    return drawn_sheet(f"{question.name} {reading}", spec, question.examples[:SHOWN], question.source)


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
