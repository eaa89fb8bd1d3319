"""What lets the script of a page ask the server for news, and Streamlit draw the parts that have some."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from ui.drawing.news_route import answer_for, news_address
from ui.shell.element_keys import component_key

_SCRIPT = Path(__file__).with_name("live_news.js")


def follow_news(key: str, base: str, answer: Callable[[dict[str, str]], str], every: float, part: str) -> None:
    """Have the browser ask for news of the page, and give them to the charts, words and parts that stand elsewhere on it (``ui/run/live_page.py``).

    Args:
        base: a name that cannot be guessed, with which the charts were drawn.
        answer: method that gives the news, see ``answer_for``.
        every: seconds until the browser asks first.
        part: is drawn anew where the server refuses to answer.
    """
    answer_for(base, answer)
    _component()(key=key, data={"follow": {"url": news_address(base), "base": base, "every": every, "part": part}}, width="content")


def rerun_when_asked(name: str) -> None:
    """Let the browser rerun the fragment that calls this. It does so when the news name the part and the part is in view.

    The fragment has a component of its own for it. A callback of another component could rerun it with ``st.rerun`` and its key. But that rerun would
    replace the one that a click asks for at the same moment.
    """
    _component()(key=component_key(f"rerun.{name}"), data={"part": name}, on_asked_change=lambda: None)


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return component("live_news", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)
