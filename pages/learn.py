"""Learn: lessons that train small networks, and how balancing methods decide, on two parameters that can be seen."""

from functools import partial

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.lessons import LESSONS
from ui.learn.article_tour import article_tour
from ui.learn.board_screen import show_board
from ui.learn.class_form import class_form
from ui.learn.learner_identity import learner_id
from ui.learn.lesson_address import address_problems, read_address
from ui.learn.lesson_list import lesson_list
from ui.learn.lesson_screen import show_lesson
from ui.learn.page_top import open_at_top
from ui.shell.error_boundary import run_inside_app
from ui.shell.language_choice import ADDRESS, kept_tabs
from ui.shell.page_address import set_address
from ui.shell.state import torch_is_ready
from ui.shell.styles import enlarge
from ui.shell.words import plain
from ui.status.status_bar import polling_strip


def main() -> None:
    if problems := address_problems(st.query_params):
        _say_problems(problems)
        return
    address = read_address(st.query_params)
    set_address({**{key: None for key in st.query_params if key != ADDRESS}, **address.query()})
    learner = learner_id()
    open_at_top(f"{address.lesson} {'board' if address.board else ''}")
    if address.large:
        enlarge()
    if address.lesson in LESSONS:
        if address.board:
            show_board(address)
        else:
            show_lesson(address, learner)
        return
    polling_strip()
    st.title(tr("Learn"), anchor=False)
    if address.lesson:
        st.error(tr("There is no lesson '{lesson}'. Choose one below.", lesson=plain(address.lesson[:60])), icon=":material/search_off:")
    kept_tabs(
        {
            mark("Lessons"): partial(lesson_list, learner),
            mark("The plane"): _plane,
            mark("Gradients by hand"): _by_hand,
            mark("For a class"): class_form,
            mark("The article"): article_tour,
        },
        "learn.tab",
    )


def _plane() -> None:
    if torch_is_ready():
        from ui.learn.plane_section import draw_plane

        draw_plane()


def _by_hand() -> None:
    if torch_is_ready():
        from ui.learn.gradient_plotter import draw_plotter

        draw_plotter()


def _say_problems(problems: list[str]) -> None:
    """Say what is wrong with the link. The address stays, so that it can be corrected."""
    polling_strip()
    st.title(tr("Learn"), anchor=False)
    for problem in problems:
        st.error(tr("{problem} Copy the link once more, whole.", problem=plain(problem)), icon=":material/link_off:")
    st.page_link("pages/learn.py", label=tr("All lessons"), icon=":material/arrow_back:", query_params={})


run_inside_app()
main()
