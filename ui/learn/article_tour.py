"""The tour of the article: each of its sections with what shows it here."""

from __future__ import annotations

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons import LESSONS
from mtl_core.lessons.article_sections import ANNOUNCED, SECTIONS, TITLE


def article_tour() -> None:
    """Draw a row for each section, with links to its lesson and its page."""
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
                if section.lesson:
                    title = LESSONS.load(section.lesson)().text().title
                    st.page_link(
                        "pages/learn.py", label=tr("Lesson: {title}", title=title), icon=":material/school:", query_params={"lesson": section.lesson}
                    )
                if section.page:
                    st.page_link(f"pages/{section.page}.py", label=tr(section.page.capitalize()), icon=":material/open_in_new:")
