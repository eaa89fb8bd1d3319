"""The choice of a run, from the address and from a box, and the text of a page without runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.run_reading import RUN_ID, unread_words
from mtl_core.runs.sql.run_listing import ListedFacts
from mtl_core.runs.store import RunStore
from ui.shell import words
from ui.shell.page_address import rerun_page, set_address
from ui.shell.state import hold, is_choice, run_store

LETTERS = 46  # that a box of 330 pixels shows
WIDE = 56  # letters of a box that is as wide as its texts
EDGES, LETTER = 62, 6.3  # pixels: of a box beside its text, with the arrow; of a letter
OFFERED = 100  # runs in the box; Compare lists all of them
_PICKED = "picked"  # key of the session: another one was picked, so the whole page is drawn


def no_runs(what_appears: str) -> None:
    """Draw the empty state: what will appear here, and a link to the Train page."""
    if not say_unread():
        st.info(tr("There are no runs yet. {what_appears}", what_appears=tr(what_appears)), icon=":material/info:")
    st.page_link("pages/train.py", label=tr("Train the first run"), icon=":material/play_arrow:")


def say_unread() -> bool:
    """Say which runs this version of the program cannot read; whether there are any."""
    if said := unread_words(run_store().unread()):
        st.warning(words.plain(tr(said)), icon=":material/history:")
    return bool(said)


def asked_run(store: RunStore) -> str | None:
    """Id of the run in the address, else of the newest run; None where it does not exist (see ``no_such_run``)."""
    asked, unread = st.query_params.get("run", ""), store.unread()
    matches = [run_id for run_id in store.ids_beginning_with(asked) if run_id not in unread] if asked else []
    known = _newest(store, unread)
    if asked:
        known = matches[0] if len(matches) == 1 else (asked if asked in matches else None)
    if known is not None:
        set_address({"run": known})
    return known


def no_such_run(store: RunStore) -> None:
    """Say that the run in the address does not exist, or cannot be read, with a link to the newest run."""
    if say_unread():
        return
    said = tr(
        "There is no run '{run}' in this store. It may have been deleted, or be in the store of another MTL_HOME.",
        run=words.plain(st.query_params.get("run", "")),
    )
    st.error(said, icon=":material/search_off:")
    newest = _newest(store, store.unread()) or ""
    st.page_link("pages/run.py", label=tr("Open the newest run"), icon=":material/arrow_forward:", query_params={"run": newest})


def _newest(store: RunStore, unread: Sequence[str]) -> str | None:
    """Id of the newest run that this version can read, one that is not archived if there is any."""
    newest = store.newest()
    if newest not in unread:
        return newest
    read = sorted((run for run in store.facts() if run.id not in unread), key=lambda run: bool(run.archived))
    return read[0].id if read else None


def run_picker(known: Sequence[ListedFacts], current: str, width: int | None = None) -> bool:
    """Draw a box to open another run, pinned ones first, then the newest. False, without a box, where there is no other run.

    Args:
        width: pixels; that of its name without it.
    """
    shown = sorted((run for run in known if not run.archived or run.id == current), key=lambda run: not run.pinned)
    offered = [run for place, run in enumerate(shown) if place < OFFERED or run.id == current]
    if len(offered) < 2:
        return False
    names = box_texts(offered, LETTERS if width else WIDE)

    def address(picked: str) -> dict[str, str | None]:
        return {"run": picked, "epoch": None} if RUN_ID.fullmatch(picked) else {}  # else the browser sent the text of a name that has changed since

    # Streamlit stores a choice by its text, so a run whose text has changed gets another box.
    draw_picker(tr("Run"), names, current, f"picked_run.{names.get(current, '')}", address, width or box_width(names[current]))
    return True


def names_apart(runs: Iterable[Any], letters: int = LETTERS) -> dict[str, str]:
    """Id -> text of a run in a box. The name alone, so that much of it is in view; of runs that would look alike also when each was made.

    Args:
        letters: most of a text. A box cuts a longer one off at its end, where the names of runs differ most; here it is cut in its middle.
    """
    names = {run.id: (run, shown_name(run)) for run in runs}
    often = Counter(words.shortened_inside(name, letters) for _, name in names.values())

    def text(run: Any, name: str) -> str:
        if often[short := words.shortened_inside(name, letters)] == 1:
            return short
        by_id = f"  ·  {run.id[-4:]}"
        in_full = f"{name}  ·  {words.moment(run.created_at)}{by_id}"
        return in_full if len(in_full) <= letters else words.shortened_inside(name, letters - len(by_id)) + by_id

    return {run_id: text(run, name) for run_id, (run, name) in names.items()}


def box_texts(runs: Iterable[Any], letters: int = LETTERS) -> dict[str, str]:
    """Id -> text of a run in a box, as ``names_apart`` gives it, with its whole name behind a shortened one."""
    told = {run.id: run for run in runs}
    return {run_id: words.with_whole(text, shown_name(told[run_id])) for run_id, text in names_apart(told.values(), letters).items()}


def box_width(text: str) -> int:
    """Pixels of a box in which a text can be read: of a long one, ``WIDE`` letters. Its list is as wide as its longest text."""
    return EDGES + ceil(LETTER * min(WIDE, words.breadth(text)))


def draw_picker(label: str, names: Mapping[str, str], shown: str, key: str, address: Callable[[str], Mapping[str, str | None]], width: Any) -> None:
    """Draw a box, without its label, that opens another run or race on the same page.

    Args:
        names: what is offered -> its text. ``shown`` is the one that is open.
        address: changes of the address for what was picked; empty for what cannot be opened.
    """
    hold(key, shown)
    kept: dict[str, Any] = {"label_visibility": "collapsed", "width": width, "on_change": _take_picked, "args": (key, shown, address)}
    st.selectbox(label, list(names), list(names).index(shown), key=key, format_func=words.text_of(names), **kept)
    if st.session_state.pop(_PICKED, False):
        rerun_page()  # works also inside a fragment


def _take_picked(key: str, shown: str, address: Callable[[str], Mapping[str, str | None]]) -> None:
    if is_choice(key, shown) and (changes := address(st.session_state[key] or "")):
        set_address(changes)
        st.session_state[_PICKED] = True
