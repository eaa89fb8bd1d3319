"""Which of one's own imported sets is trained on: a list of those that there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from mtl_core.data.imports import ImportedSet, imported
from ui import words
from ui.state import hold, read, run_store, write

IMPORTED = "imported"  # name of the source of what users brought
_PATH = ("data", "set")


def take_newest() -> None:
    """The set that was imported last, where none is chosen yet: the form has to begin with one."""
    known = imported(run_store().home)
    if known and not read(_PATH, ""):
        write(_PATH, max(known, key=lambda one: one.created_at).name)


def origin_of(name: str) -> str:
    """Where a set's files were, and when it was imported, as Markdown. Empty for a damaged set."""
    one = _known(name)
    if one is None:
        return ""
    uploaded = Path(one.path).parent == run_store().home.absolute() / "uploads"
    return f"Imported on {words.moment(one.created_at, '%d %b %Y')} from {'an uploaded zip' if uploaded else f'`{one.path}`'}"


def findings_of(name: str) -> None:
    """The report of a set's import, to be downloaded; nothing where it found nothing to say."""
    one = _known(name)
    if one is None or not one.counts:
        return
    st.download_button(
        f"Findings of the import ({sum(one.counts.values()):,}) as CSV",
        one.report_csv,
        f"{name}-findings.csv",
        "text/csv",
        icon=":material/download:",
        key="data.findings",
        type="tertiary",
        on_click="ignore",
    )


def _known(name: str) -> ImportedSet | None:
    return next((one for one in imported(run_store().home) if one.name == name), None)


def imported_chooser(changed: Callable[[], None]) -> None:
    """The sets by name, with what is in them.

    Args:
        changed: called after another one was chosen.
    """
    known = {one.name: one for one in imported(run_store().home)}
    current = read(_PATH, "")
    if not known and not current:
        st.page_link(
            "pages/data.py", label="Bring your own images on the Data page", icon=":material/add_photo_alternate:", query_params={"new": "1"}
        )
        return
    names = [*known, *([current] if current and current not in known else [])]
    key = "set.data.set"
    hold(key, current or None)

    def take() -> None:
        if st.session_state[key] not in (None, read(_PATH, "")):
            write(_PATH, st.session_state[key])
            changed()

    st.selectbox(
        "Set",
        names,
        names.index(current) if current else None,
        key=key,
        format_func=lambda name: _described(name, known.get(name)),
        placeholder="Choose one",
        on_change=take,
        help="The sets that were imported on the Data page or with 'data import'.",
    )


def _described(name: str, one: ImportedSet | None) -> str:
    if one is None:
        return f"{name} (not there any more)"
    return f"{name} · {sum(one.split_sizes.values()):,} images; {words.shortened(', '.join(task.name for task in one.tasks), 60)}"
