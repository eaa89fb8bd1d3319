"""Browsing the folders of the server by clicks, for a path that would have to be typed otherwise. Only allowed folders are listed."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from mtl_core.language import tr
from ui.shell import words
from ui.shell.server_paths import allowed_folders, is_allowed, real

MOST = 100  # entries of a folder that are listed


def folder_browser(key: str) -> None:
    """Draw a button that opens the list of folders and zips at the path in the text field ``key``. A click on one puts its path into the field."""
    with st.popover(tr("Browse"), icon=":material/folder_open:"):
        place = place_of(st.session_state.get(key) or "")
        st.caption(f"`{place}`" if place else tr("Folders that the dashboard may read"))
        if place is not None:
            above = str(place.parent) if is_allowed(str(place.parent)) else ""
            st.button(tr("Up"), icon=":material/arrow_upward:", type="tertiary", key=f"{key}.up", on_click=_go, args=(key, above))
        try:
            found = [folder for folder in allowed_folders() if folder.is_dir()] if place is None else entries(place)
        except OSError as error:
            st.caption(tr("This folder cannot be read: {why}", why=words.plain(str(error.strerror or error))))
            return
        with st.container(height=300 if len(found) > 6 else "content", border=False):
            for number, path in enumerate(found[:MOST]):
                icon = ":material/folder:" if path.is_dir() else ":material/folder_zip:"
                label = words.plain(path.name if place else str(path))
                st.button(label, icon=icon, type="tertiary", key=f"{key}.{number}", on_click=_go, args=(key, str(path)))
        if not found:
            st.caption(tr("No folder and no zip in it."))
        if len(found) > MOST:
            st.caption(tr("{more:,} more are not listed. Type the path.", more=len(found) - MOST))


def place_of(typed: str) -> Path | None:
    """The folder whose entries are listed for a typed path: itself, or the folder of a file; None outside the allowed folders."""
    if not typed.strip() or not is_allowed(typed.strip()):
        return None
    path = real(typed.strip())
    path = path if path.is_dir() else path.parent
    return path if path.is_dir() and is_allowed(str(path)) else None


def entries(folder: Path) -> list[Path]:
    """Folders, then zips, each by name. Hidden ones, and links that lead out of the allowed folders, are left out.

    Raises:
        OSError: the folder cannot be read.
    """
    there = [path for path in folder.iterdir() if not path.name.startswith(".") and is_allowed(str(path))]
    by_name = sorted(there, key=lambda path: path.name.lower())
    return [path for path in by_name if path.is_dir()] + [path for path in by_name if path.suffix.lower() == ".zip" and path.is_file()]


def _go(key: str, path: str) -> None:
    st.session_state[key] = path
