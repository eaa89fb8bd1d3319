"""The tour of the article: each of its sections with what shows it here."""

from __future__ import annotations

import streamlit as st

from mtl_core.lessons import LESSONS
from mtl_core.lessons.article_questions import QUESTIONS
from mtl_core.lessons.article_sections import ANNOUNCED, SECTIONS, TITLE


def article_tour() -> None:
    """Draw a row for each section and each question, with links to its lesson and its page."""
    st.markdown(
        f"This project began with an article, “{TITLE}” (multi-task learning in computer vision). Each row has one of its sections: what it says, "
        "what shows it here, and where it was measured otherwise."
    )
    for section in (*SECTIONS, *ANNOUNCED):
        with st.container(border=True, gap="small"):
            left, middle, right = st.columns([4, 5, 3], gap="medium")
            left.markdown(f"**{section.number} {section.title}**  \n{section.says}")
            middle.markdown(section.here)
            with right:
                _links(section.lesson, section.page)
    st.subheader("Questions and answers", anchor=False)
    st.markdown(
        "The article announces them and has none. Each answer comes from runs of this project: the lesson trains them here, the table has their "
        "numbers."
    )
    for question in QUESTIONS:
        with st.container(border=True, gap="small"):
            left, middle, right = st.columns([4, 5, 3], gap="medium")
            left.markdown(f"**{question.asked}**")
            middle.markdown(question.answer)
            with right:
                _links(question.lesson, question.page)
                if question.table:
                    st.caption(f"Numbers: “{question.table}” in benchmarks/README.md")
                if question.document:
                    st.caption(f"How: docs/{question.document.partition('#')[0]}")


def _links(lesson: str, page: str) -> None:
    if lesson:
        title = LESSONS.load(lesson)().text().title
        st.page_link("pages/learn.py", label=f"Lesson: {title}", icon=":material/school:", query_params={"lesson": lesson})
    if page:
        st.page_link(f"pages/{page}.py", label=page.capitalize(), icon=":material/open_in_new:")
