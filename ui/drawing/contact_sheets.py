"""Probe images with targets and predictions, as cached contact sheets."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from mtl_core.data.dataset import SINGULAR, Task
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.picture_font import picture_language
from mtl_core.inference.model_folder import tasks_of
from mtl_core.language import mark, speaking, tr
from mtl_core.runs.artifacts import read_probe_targets, read_probes
from mtl_core.tasks import kind_of
from ui.shell import words
from ui.shell.timeline import follow

INKS = {"light": "#3A4552", "dark": "#C4CCD6"}


def ink() -> str:
    """Colour of text in pictures, readable on the theme this viewer uses."""
    return INKS.get(getattr(st.context.theme, "type", None) or "light", INKS["light"])


def task_of(name: str, info: dict[str, Any]) -> Task:
    """The task as the run recorded it."""
    return tasks_of([{"target": name, **info, "name": name}])[name]


def probe_sheet(
    folder: Path, epoch: int, task: str, info: dict[str, Any], *, columns: int, rows: int | None = None, width: int = 1540, text_height: int = 20
) -> bytes:
    """PNG of one task: rows of targets, each above its predictions after ``epoch`` epochs. ``rows`` limits the pairs of rows, ``width`` is about
    that of the sheet in pixels."""
    plain = astuple(task_of(task, info))
    return _sheet(str(folder), epoch, plain, columns, rows, width, text_height, ink(), picture_language())


def for_thumbnails(task: Task, row: np.ndarray) -> Task:
    """The task as its kind draws it in a small picture of this target or prediction."""
    return kind_of(task.kind).for_thumbnails(task, row)


def drawn_and_said(image: Tile, tiles: Sequence[Tile]) -> tuple[list[Tile], list[str]]:
    """The tiles that show something of their own, and the captions of those that are the image once more (a class, a number: nothing is drawn)."""
    same = [np.array_equal(tile.image, image.image) for tile in tiles]
    drawn = [tile for tile, plain in zip(tiles, same, strict=True) if not plain]
    return drawn, [tile.caption for tile, plain in zip(tiles, same, strict=True) if plain]


def said(captions: Sequence[str]) -> None:
    """Targets in words, one after the other."""
    if captions:
        st.markdown(":small[" + " · ".join(words.plain(_in_own_units(caption)) for caption in captions) + "]")


def _in_own_units(caption: str) -> str:
    """The caption with a unit of ours in the reader's language. It comes in English where pictures have no font for that (``picture_language``)."""
    number, _, unit = caption.rpartition(" ")
    return f"{number} {tr(unit)}" if number[-1:].isdigit() and unit in {*SINGULAR, *SINGULAR.values()} else caption


def room_for(pictures: int, columns: int) -> Any:
    """A place for a sheet as wide as its pictures ask for: one or two must not fill the page."""
    return st.columns([pictures, columns - pictures])[0] if pictures < columns else st.container()


def legend(task: Task) -> None:
    """What the colours in a task's pictures mean, where there are any."""
    from mtl_core.tasks import TASK_KINDS

    pairs = TASK_KINDS.load(task.kind).legend(task)
    if pairs:
        dots = "".join(f'<span><i style="background:{colour}"></i> {html.escape(tr(text))}</span>' for colour, text in pairs)
        st.html(f'<div class="legend">{dots}</div>')


@st.cache_data(max_entries=300, show_spinner=False)
def _sheet(
    folder: str, epoch: int, plain: tuple[Any, ...], columns: int, rows: int | None, width: int, text_height: int, colour: str, spoken: str
) -> bytes:
    with speaking(spoken):
        return png(contact_sheet(_pairs(folder, epoch, plain, columns, rows, width), ink=colour, text_height=text_height))


def _pairs(folder: str, epoch: int, plain: tuple[Any, ...], columns: int, rows: int | None, width: int) -> list[tuple[str, list[Tile]]]:
    """Rows of targets and of predictions, in turn."""
    from mtl_core.tasks import TASK_KINDS

    task = Task(*plain)
    name, kind = task.name, TASK_KINDS.load(task.kind)
    probes, predictions = _targets(folder), read_probes(Path(folder), epoch)[name]
    scale = max(1, width // columns // probes.images.shape[2])
    shown = len(probes.images) if rows is None else min(len(probes.images), rows * columns)
    labelled = probes.labelled.get(name, np.ones(len(probes.images), dtype=bool))
    seen = probes.inputs.get(name, probes.images)  # a self-supervised task's own view
    pairs: list[tuple[str, list[Tile]]] = []
    for start in range(0, shown, columns):
        members = range(start, min(start + columns, shown))
        targets = [
            _tile(kind.draw_target, seen[i], probes.targets[name][i], task, scale) if labelled[i] else _unlabelled(probes.images[i], scale)
            for i in members
        ]
        guesses = [_tile(kind.draw_prediction, seen[i], predictions[i], task, scale) for i in members]
        if name in probes.inputs:
            pairs += [(tr("input"), [Tile(enlarge(seen[i], scale)) for i in members])]
        pairs += [(tr("target"), targets), (tr("predicted"), guesses)]
    return pairs


@st.cache_resource(max_entries=8, show_spinner=False)
def _targets(folder: str) -> Any:
    return read_probe_targets(Path(folder))


def _tile(draw: Any, image: np.ndarray, row: Any, task: Task, scale: int) -> Tile:
    drawing = draw(image, row, for_thumbnails(task, row), scale)
    return Tile(drawing.image, drawing.caption)


def _unlabelled(image: np.ndarray, scale: int) -> Tile:
    return Tile(enlarge(image, scale), tr("no target"))


def epoch_slider(run_id: str, epochs: list[int], key: str, has_ended: bool, in_line: bool = False) -> int:
    """The epoch to show: the newest, until the viewer chooses another one; choosing the newest follows again.

    ``has_ended``: whether no further predictions come. ``in_line``: without a label above it, for a line of several controls; the value says what
    it is.
    """
    if len(epochs) == 1:
        coming = mark("Predictions before training; the next ones come after the first epoch.")
        before = mark("Predictions before training.") if has_ended else coming
        st.caption(tr(before) if epochs[0] == 0 else tr("Predictions after epoch {epoch}.", epoch=epochs[0]))
        return epochs[0]
    about = tr("0 is before training. At the newest epoch the pictures follow the run.")
    looks = {"format_func": lambda epoch: tr("epoch {epoch}", epoch=epoch), "label_visibility": "collapsed"} if in_line else {"help": about}
    return follow(f"{key}.{run_id}", epochs, tr("Epoch"), **looks)
