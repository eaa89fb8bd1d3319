"""The language of the page: what the viewer chose, else what the address says, else the browser's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component
from streamlit.runtime.scriptrunner import get_script_run_ctx

from mtl_core.language import LANGUAGES, SOURCE, best_language, follow, language, tr
from ui.shell.page_address import rerun_page, set_address
from ui.shell.state import hold

ADDRESS = "lang"  # parameter of the address
_SWITCH = "language_switch"
CHOSEN, _SPOKEN = "language.chosen", "language"
TAGS = {"en": "en", "zh": "zh-Hans"}  # language -> the tag that HTML has for it
_SCRIPT = Path(__file__).with_name("page_language.js")


def begin_language() -> None:
    """At the start of a full script run: settle the session's language. The address keeps one that is not the browser's."""
    follow(_session_language)
    browser = best_language(st.context.locale or SOURCE)
    asked = st.query_params.get(ADDRESS)
    if asked in LANGUAGES and st.session_state.get(CHOSEN) is None:
        st.session_state[CHOSEN] = asked
    chosen = st.session_state.get(CHOSEN) or browser
    st.session_state[_SPOKEN] = chosen
    set_address({ADDRESS: chosen if chosen != browser else None})


def language_switch() -> None:
    """Draw the choice of the language. Its entries are each in their own language."""
    spoken = language()
    if st.session_state.get(CHOSEN, spoken) != spoken:  # a click inside a live part redraws only that part
        rerun_page()
    with st.popover(LANGUAGES[spoken], icon=":material/translate:", type="tertiary", key=_SWITCH, on_change="rerun", help=tr("Language")):
        for name, title in LANGUAGES.items():
            mark = ":material/check:" if name == spoken else None
            st.button(title, icon=mark, type="tertiary", key=f"language.{name}", disabled=name == spoken, on_click=_choose, args=(name,))


def _choose(name: str) -> None:
    st.session_state[CHOSEN] = name
    st.session_state[_SWITCH] = False  # the list closes
    _keep_choices()


def _keep_choices() -> None:
    """Set the widgets to the values that they have.

    A browser reports what is chosen in a list by its text, and Streamlit takes a text that the list no longer has as the value itself.
    """
    for key, value in st.session_state.items():
        if _is_choice(value) or (isinstance(value, list | tuple) and value and all(map(_is_choice, value))):
            st.session_state[str(key)] = value


def _is_choice(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def kept_tabs(contents: Mapping[str, Callable[[], None]], key: str, first: str = "") -> None:
    """Draw tabs, each with its contents once it has been opened, and from then on always: what was set in one is still there on the way back.

    The browser knows a tab by its label, which is another one in another language. So the tabs of each language are a widget of their own, and
    the session keeps the names of the open tab and of those that have been opened.

    Args:
        contents: English label -> draws what is in the tab.
        first: the tab that is open at first; the first one where none is given.
    """
    held, widget = f"{key}.open", f"{key}.{language()}"
    labels = {tr(name): name for name in contents}
    kept = st.session_state.get(held)
    opened = str(kept) if kept in contents else first or next(iter(contents))
    # Not as the default: Streamlit takes tabs with another default for other tabs, and the focus of the keyboard would be lost.
    hold(widget, tr(opened))

    def keep() -> None:
        st.session_state[held] = labels.get(st.session_state[widget], "")

    tabs = st.tabs(list(labels), key=widget, on_change=keep)
    seen = st.session_state.setdefault(f"{key}.seen", set())
    seen.update(name for tab, name in zip(tabs, contents, strict=True) if tab.open)
    for tab, (name, draw) in zip(tabs, contents.items(), strict=True):
        if name in seen:
            with tab:
                draw()


def tell_browser() -> None:
    """Say the page's language to the browser, at the end of a full script run. Streamlit's page says English until then."""
    if language() != SOURCE or CHOSEN in st.session_state:
        _teller()(key="page_language", data={"language": TAGS[language()]})


@st.cache_resource(show_spinner=False)
def _teller() -> Any:
    return component("page_language", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)


def _session_language() -> str | None:
    """The language of the session whose script runs in this thread; None elsewhere."""
    context = get_script_run_ctx(suppress_warning=True)
    try:  # one lookup: a page asks for every text
        return None if context is None else context.session_state[_SPOKEN]
    except KeyError:
        return None
