"""Pictures of an import with their targets drawn, before anything is imported: under each reading of a question, and as the check left them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from mtl_core.data.imports import preview
from mtl_core.data.imports.spec import ImportSpec
from mtl_core.figures.gallery import contact_sheet, png
from mtl_core.figures.picture_font import picture_language
from mtl_core.language import language, mark, speaking, tr
from ui.data.data_gallery import drawn_target
from ui.drawing.contact_sheets import ink
from ui.importing.import_draft import draft, job_key
from ui.shell import page_jobs, words
from ui.shell.state import torch_is_ready, wait_for

TILE_PIXELS = 224
MOST_TASKS = 4  # rows of a sheet
CHECKED = 6  # pictures after the check
MOST_SENTENCES = 4  # where there is no picture


def checked_pictures(examined: Any) -> None:
    """Draw some of the usable images as the check prepared them, a row for each task, if the viewer asks for it.

    Args:
        examined: the result of the check.
    """
    keys = list(examined.facts)
    if not keys or not st.toggle(
        tr("Show pictures with their targets"),
        key="import.pictures",
        help=tr("As they will be imported: resized, with the targets that the check found usable. It reads the files of the targets once more."),
    ):
        return
    if not torch_is_ready():
        return
    shown = keys[:: -(-len(keys) // CHECKED)]
    sheet, said = drawn_sheet("checked", examined.spec, shown, about_tasks=False)
    if sheet is not None:
        listed = words.shortened(", ".join(_file_names(shown)), 200)
        st.image(sheet, alt=tr("Targets of {pictures}", pictures=listed))
        st.caption(words.plain(listed))
        return  # the table of the report lists the targets that are not used
    for sentence in said[:MOST_SENTENCES]:
        st.caption(words.plain(words.shortened(tr(sentence), 160)))


def _file_names(keys: Sequence[str]) -> list[str]:
    """The images' names without their folders, where they still differ."""
    names = [key.rpartition("/")[2] for key in keys]
    return names if len(set(names)) == len(names) else list(keys)


def drawn_sheet(
    name: str, spec: ImportSpec, keys: Sequence[str], source: int | None = None, about_tasks: bool = True
) -> tuple[bytes | None, list[str]]:
    """A contact sheet of images with their targets and sentences on them: one on each task if asked for, then those on targets that are not used.

    A background job draws it once per state of the settings. Before its end there is no sheet, and a sentence that says so.

    Args:
        name: tells the sheets of a draft apart. ``keys``: of the images. ``source``: the only source that counts; None for all.
    """
    path, text, colour, spoken = draft()["path"], spec.to_yaml(), ink(), language()
    place = f"{name} {hashlib.sha256(f'{spoken}{colour}{text}'.encode()).hexdigest()[:16]}"
    sheets = draft()["sheets"]
    if place in sheets:
        return sheets[place]
    key, wanted = job_key(f"reading {place}"), tuple(keys)
    state = page_jobs.state_of(key)
    if state is None:
        state = page_jobs.begin(key, lambda progress, cancelled: _drawn(path, text, wanted, source, colour, cancelled, spoken, about_tasks))
    if not state["done"]:
        wait_for("work")
        return None, [tr("Drawing...")]
    sheets[place] = state["result"] if state["result"] is not None else (None, [state["error"]])
    page_jobs.drop(key)
    return sheets[place]


def _drawn(
    path: str,
    text: str,
    keys: tuple[str, ...],
    source: int | None,
    colour: str,
    cancelled: Callable[[], bool],
    spoken: str,
    about_tasks: bool,
) -> tuple[bytes | None, list[str]]:
    """Draw one row of images for each task."""
    spec = ImportSpec.from_yaml(text)
    if source is not None:
        spec = spec.model_copy(update={"sources": [spec.sources[source]], "tasks": None})
    found = preview(path, spec, keys, cancelled)
    if not found.keys:
        return None, list(found.refused) or [mark("None of these images can be read this way")]
    rows = []
    with speaking(spoken), speaking(picture_language()):
        for task in found.tasks or (None,):
            tiles = [drawn_target(found.data, row, task, TILE_PIXELS, small=True) for row in range(len(found.keys))]
            rows.append((task.name if task is not None and len(found.tasks) > 1 else "", tiles))
    with speaking(spoken):  # a job's thread draws no screen
        given = [_in_words(task) for task in found.tasks if about_tasks]
        refused = [tr("Not used: {sentence}", sentence=tr(sentence)) for sentence in found.refused]
    return png(contact_sheet(rows[:MOST_TASKS], ink=colour, text_height=22)), [*given, *refused]


def _in_words(task: Any) -> str:
    said = {"task": task.name, "kind": tr(task.kind.replace("_", " "))}
    if task.classes:
        return tr("{task}: {kind}, {count} {count:class|classes}: {classes}", count=len(task.classes), classes=", ".join(task.classes), **said)
    return tr("{task}: {kind}", **said) + words.unit_words(task.unit)
