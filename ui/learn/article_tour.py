"""The tour of the article: each of its sections with what shows it here."""

from __future__ import annotations

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.article_questions import QUESTIONS
from mtl_core.lessons.article_sections import ANNOUNCED, SECTIONS, TITLE


def article_tour() -> None:
    """Draw a row for each section and each question, with links to its lesson and its page."""
    st.markdown(
        tr(
            "This project began with an article, “{title}” (multi-task learning in computer vision). Each row has one of its "
            "sections: what it says, what shows it here, and where it was measured otherwise.",
            title=TITLE,
        )
    )
    for section in (*SECTIONS, *ANNOUNCED):
        with st.container(border=True, gap="small"):
            left, middle, right = st.columns([4, 5, 3], gap="medium")
            left.markdown(f"**{section.number} {tr(section.title)}**  \n{tr(section.says)}")
            middle.markdown(tr(section.here))
            with right:
                _links(section.lesson, section.page)
    st.subheader(tr("Questions and answers"), anchor=False)
    st.markdown(
        tr(
            "The article announces them and has none. Each answer comes from runs of this project: the lesson trains them here, the "
            "table has their numbers."
        )
    )
    for question in QUESTIONS:
        with st.container(border=True, gap="small"):
            left, middle, right = st.columns([4, 5, 3], gap="medium")
            left.markdown(f"**{tr(question.asked)}**")
            middle.markdown(tr(question.answer))
            with right:
                _links(question.lesson, question.page)
                if question.table:
                    st.caption(tr("Numbers: “{table}” in benchmarks/README.md", table=question.table))
                if question.document:
                    st.caption(tr("How: docs/{page}", page=question.document.partition("#")[0]))


def _links(lesson: str, page: str) -> None:
    if lesson:
        title = LESSONS.load(lesson)().text().title
        st.page_link("pages/learn.py", label=tr("Lesson: {title}", title=title), icon=":material/school:", query_params={"lesson": lesson})
    if page:
        st.page_link(f"pages/{page}.py", label=tr(page.capitalize()), icon=":material/open_in_new:")
