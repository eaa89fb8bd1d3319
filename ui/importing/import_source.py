"""First step of an import: where the files are. An upload, or a path on the server."""

from __future__ import annotations

import hashlib
import re
import time
from itertools import count
from pathlib import Path
from typing import Any

import streamlit as st

from mtl_core.atomic_files import atomic_write
from mtl_core.data.imports import imported
from mtl_core.data.imports.formats import FORMATS
from mtl_core.language import tr
from ui.drawing.upload_box import upload_box
from ui.importing.folder_browser import folder_browser
from ui.importing.import_draft import start
from ui.shell import words
from ui.shell.server_paths import VARIABLE, allowed_folders, is_allowed, real
from ui.shell.state import run_store

KEPT_SECONDS = 24 * 3600.0  # for an upload that no set was made of
ENDS = re.compile(r"\.(zip|csv|ya?ml|json)$", re.IGNORECASE)


def source_step() -> None:
    """Draw the two ways to bring files: an upload, and a path on the server."""
    st.markdown(
        tr(
            "The import finds targets in the files that come with your images. It joins several files by the names of the images, and an image may "
            "lack any target. You see a report before anything is imported."
        )
    )
    st.caption(tr("Supported formats: {formats}.", formats=words.plain(tr(", ").join(tr(FORMATS.load(name).title) for name in FORMATS))))
    left, right = st.columns(2, gap="large")
    with left, st.container(border=True, height="stretch"):
        _upload()
    with right, st.container(border=True, height="stretch"):
        _path()
    if "import_refused" in st.session_state:
        st.error(words.plain(tr(st.session_state["import_refused"])), icon=":material/block:")


def _upload() -> None:
    limit = st.get_option("server.maxUploadSize")
    st.markdown(tr("**Upload a zip**"))
    st.caption(tr("Up to {limit} MB, because an upload is held in memory. For more, put the files on the server and give their folder.", limit=limit))
    file = upload_box(tr("Zip file"), ["zip"], "import.upload", limit, label_visibility="collapsed")
    off = file is None
    st.button(tr("Inspect zip"), icon=":material/search:", key="import.look", type="primary", disabled=off, on_click=_take_upload, args=(file,))


def _take_upload(file: Any) -> None:
    """Save the upload in the store under a checksum of its content. The user's file name is used as text only."""
    st.session_state.pop("import_refused", None)
    folder = run_store().home / "uploads"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        content = file.getbuffer()
        place = folder / f"{hashlib.sha256(content).hexdigest()[:24]}.zip"
        with atomic_write(place) as output:
            output.write(content)
    except OSError as error:
        st.session_state["import_refused"] = tr(
            "The upload could not be saved in '{folder}': {error}. Free some space, or set MTL_HOME to another disk.", folder=folder, error=error
        )
        return
    start(str(place), file.name, uploaded=True)


def _sweep(folder: Path) -> None:
    """Delete old uploads that no imported set uses. A set needs its files again if its prepared images are lost."""
    needed = {entry.path for entry in imported(run_store().home)}
    for path in folder.iterdir():
        try:
            if str(path.absolute()) not in needed and time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
        except OSError:
            continue


def _path() -> None:
    st.markdown(tr("**Or a folder or zip on the server**"))
    there = ", ".join(f"`{folder}`" for folder in allowed_folders())
    st.caption(
        tr("Allowed folders: {there} and those below them. {variable} in the server's environment sets others.", there=there, variable=VARIABLE)
    )
    st.text_input(tr("Path"), key="import.path", placeholder="/data/my-pictures", label_visibility="collapsed")
    with st.container(horizontal=True):
        st.button(tr("Inspect folder"), icon=":material/search:", key="import.look_there", type="primary", on_click=_take_path)
        folder_browser("import.path")


def _take_path() -> None:
    st.session_state.pop("import_refused", None)
    typed = (st.session_state.get("import.path") or "").strip()
    if not typed:
        st.session_state["import_refused"] = tr("No path was given. Type the path of a folder or of a zip file.")
    elif not is_allowed(typed):
        there = ", ".join(f"'{folder}'" for folder in allowed_folders())
        st.session_state["import_refused"] = tr(
            "'{typed}' is outside the folders that the dashboard may read: {there}. Move the files into one of them, upload a zip, "
            "or add their folder to {variable} and restart the dashboard.",
            typed=typed,
            there=there,
            variable=VARIABLE,
        )
    elif not real(typed).exists():
        st.session_state["import_refused"] = tr("There is no file or folder '{typed}' on the server. Check the path.", typed=typed)
    else:
        start(str(real(typed)), Path(typed).name)


def suggested_name(title: str) -> str:
    """A name for the set that is not taken, made from the file's or folder's name."""
    name = (re.sub(r"[^a-z0-9]+", "_", ENDS.sub("", title).lower()).strip("_") or "my_data")[:40]
    taken = {entry.name for entry in imported(run_store().home)}
    return name if name not in taken else next(free for number in count(2) if (free := f"{name}_{number}") not in taken)
