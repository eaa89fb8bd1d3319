"""The choice of an imported set on the Train form, and facts about imported sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from mtl_core.data.imports import ImportedSet, imported
from mtl_core.language import mark, tr
from ui.shell import words
from ui.shell.form_editions import form_key
from ui.shell.state import hold, read, run_store, write

IMPORTED = "imported"  # name of the data source of all imported sets
_PATH = ("data", "set")
_KEY = "set.data.set"


def take_newest() -> None:
    """Choose the newest imported set where none is chosen, so that the form starts with one."""
    known = imported(run_store().home)
    if known and not read(_PATH, ""):
        write(_PATH, max(known, key=lambda one: one.created_at).name)


def origin_of(name: str) -> str:
    """Origin and date of an imported set, as Markdown; empty for a damaged set."""
    one = _known(name)
    if one is None:
        return ""
    uploaded = Path(one.path).parent == run_store().home.absolute() / "uploads"
    day = words.moment(one.created_at, mark("%d %b %Y"))
    return (
        tr("Imported on {day} from an uploaded zip", day=day) if uploaded else tr("Imported on {day} from {folder}", day=day, folder=f"`{one.path}`")
    )


def version_of(data: Mapping[str, Any]) -> str:
    """What tells an imported set from others that had its name before; empty for other data. Keys of what a page keeps of a set have it.

    Args:
        data: plain ``{"name": ..., option: value}``, as in a run's config.
    """
    one = _known(str(data.get("set", ""))) if data["name"] == IMPORTED else None
    return one.digest if one else ""


def findings_of(name: str) -> None:
    """Draw the download of the import's findings; nothing where there are none."""
    one = _known(name)
    if one is None or not one.counts:
        return
    st.download_button(
        tr("Findings of the import ({count:,}) as CSV", count=sum(one.counts.values())),
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
    """Draw the choice among the imported sets.

    Args:
        changed: called after the choice of another set.
    """
    known = {one.name: one for one in imported(run_store().home)}
    current = read(_PATH, "")
    if not known and not current:
        st.page_link(
            "pages/data.py", label=tr("Bring your own images on the Data page"), icon=":material/add_photo_alternate:", query_params={"new": "1"}
        )
        return
    names = [*known, *([current] if current and current not in known else [])]
    key = form_key(_KEY)
    hold(key, current or None)

    def take() -> None:
        if key == form_key(_KEY) and st.session_state[key] not in (None, read(_PATH, "")):
            write(_PATH, st.session_state[key])
            changed()

    st.selectbox(
        tr("Set"),
        names,
        names.index(current) if current else None,
        key=key,
        format_func=lambda name: _described(name, known.get(name)),
        placeholder=tr("Choose a set"),
        on_change=take,
        help=tr("The sets that were imported on the Data page or with 'data import'."),
    )


def _described(name: str, one: ImportedSet | None) -> str:
    if one is None:
        return tr("{name} (no longer exists)", name=name)
    return tr(
        "{name} · {count:,} {count:image|images}; {tasks}",
        name=name,
        count=sum(one.split_sizes.values()),
        tasks=words.shortened(", ".join(task.name for task in one.tasks), 60),
    )
