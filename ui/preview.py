"""Beside the form: one sample with its targets drawn, and where the parameters go."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import streamlit as st

from mtl_core.config import PartConfig, RunConfig
from mtl_core.data import open_source
from mtl_core.data.prepare import prepare
from mtl_core.figures.colours import task_colours
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import enlarge
from mtl_core.runs.store import RunStore
from ui import words
from ui.sheets import ink
from ui.state import presets, torch_is_ready, wait_for

SPLIT = "train"
FIRST_SAMPLE = 3
SAMPLE_COLUMNS = 3
PATIENCE = 6
SAMPLE_PIXELS = 256  # width of one drawn picture before the browser fits it


def sample_panel(store: RunStore, data: dict[str, Any], tasks: list[str]) -> None:
    """One training image per chosen task, with that task's target over it."""
    job = _prepared(store, data)
    if job is None:
        return
    prepared = job["data"]
    count = len(prepared.split(SPLIT))
    number = min(st.session_state.setdefault("sample", FIRST_SAMPLE), count - 1)
    head, button = st.columns([3, 2], vertical_alignment="center")
    head.markdown(f"**Sample {number + 1}** of {count:,}, with every target")
    if button.button("Another sample", icon=":material/shuffle:", width="stretch"):
        st.session_state["sample"] = number = (number + 7) % count
    shown = [task for task in tasks if task in prepared.tasks]
    if shown and torch_is_ready():
        st.image(
            _drawn(store.cache.as_posix(), json.dumps(data, sort_keys=True), number, tuple(shown), ink()),
            width="stretch",
            alt="One sample with its targets",
        )
        covered = {task: float(prepared.split(SPLIT).labelled[prepared.tasks[task].target].mean()) for task in shown}
        partly = [f"{task} {share:.0%}" for task, share in covered.items() if share < 1]
        st.caption(
            "Every image is labelled for every task."
            if not partly
            else "Labelled images: " + ", ".join(partly) + "; the others don't count for that task."
        )


def prepared_data(store: RunStore, data: dict[str, Any]) -> Any:
    """The images of a data set that was trained on; None, with the reason on screen, while they are not at hand."""
    text = json.dumps(data, sort_keys=True)
    job = _job(store.cache.as_posix(), text)
    for _ in range(PATIENCE):  # what was prepared before is there at once
        if not job["done"]:
            time.sleep(0.05)
    if not job["done"]:
        st.session_state["preparing"] = [store.cache.as_posix(), text]
        wait_for("data")
        st.caption(":material/hourglass_top: Opening the data. The images appear by themselves.")
    elif job["error"]:
        st.caption(f":material/error: No images: {job['error']}")
    return job["data"]


def data_progress() -> tuple[float, str] | None:
    """Share and words of the preparation this page waits for; None when it is done."""
    job = st.session_state.get("preparing")
    state = _job(job[0], job[1]) if job else None
    return None if state is None or state["done"] else (state["share"], state["text"])


def _made_unasked(data: dict[str, Any]) -> bool:
    """Whether looking is enough to have the images made: for the data one starts with, and where nothing could be downloaded by it."""
    first = next(iter(presets().values())).config.data.model_dump(mode="json")
    return data == first or "download" not in type(open_source(PartConfig(**data)).options).model_fields


def _prepared(store: RunStore, data: dict[str, Any]) -> dict[str, Any] | None:
    """The finished preparation; None, with the reason on screen, while there is none."""
    text = json.dumps(data, sort_keys=True)
    asked = st.session_state.setdefault("data_asked", [])
    if not _made_unasked(data) and text not in asked:
        st.caption("The sample of this data set appears once its images are made.")
        if not st.button("Make the images now", icon=":material/imagesmode:"):
            return None
        asked.append(text)
    job = _job(store.cache.as_posix(), text)
    if not job["done"]:
        st.session_state["preparing"] = [store.cache.as_posix(), text]
        wait_for("data")
        st.caption(":material/hourglass_top: Preparing the data. The sample appears by itself.")
        return None
    if job["error"]:
        st.caption(f":material/error: No sample: {job['error']}")
        if st.button("Try again", icon=":material/refresh:"):
            _job.clear(store.cache.as_posix(), text)
            st.rerun()
        return None
    return job


@st.cache_resource(max_entries=6, show_spinner=False)
def _job(cache: str, data: str) -> dict[str, Any]:
    """Preparation in the background, one for all sessions. Its state is plain data, read by the strip."""
    state: dict[str, Any] = {"done": False, "share": 0.0, "text": "", "error": "", "data": None}
    threading.Thread(target=_prepare, args=(state, cache, data), name="prepare-sample", daemon=True).start()
    return state


def _prepare(state: dict[str, Any], cache: str, data: str) -> None:
    def progress(share: float, what: str) -> None:
        state["share"], state["text"] = share, what

    try:
        from pathlib import Path

        state["data"] = prepare(open_source(PartConfig(**json.loads(data))), Path(cache), progress)
    except Exception as error:  # whatever it is, the page shows it as a sentence
        state["error"] = str(error)
    state["done"] = True


@st.cache_data(max_entries=64, show_spinner=False)
def _drawn(cache: str, data: str, number: int, tasks: tuple[str, ...], colour: str) -> bytes:
    from mtl_core.tasks import TASK_KINDS

    prepared = _job(cache, data)["data"]
    split = prepared.split(SPLIT)
    image = _rgb(split.images[number])
    scale = max(1, SAMPLE_PIXELS // image.shape[1])
    tiles = [Tile(enlarge(image, scale), "image")]
    for name in tasks:
        task = prepared.tasks[name]
        if split.labelled[task.target][number]:
            drawing = TASK_KINDS.load(task.kind).draw_target(image, split.targets[task.target][number], task, scale)
            caption = f"{name}: {drawing.caption}" if drawing.caption else name
            tiles.append(Tile(drawing.image, caption))
    rows = [("", tiles[start : start + SAMPLE_COLUMNS]) for start in range(0, len(tiles), SAMPLE_COLUMNS)]
    return png(contact_sheet(rows, ink=colour, text_height=22))


def _rgb(image: Any) -> Any:
    import numpy as np

    pixels = np.moveaxis(image, 0, -1)
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels)


def parameters_bar(counts: dict[str, Any], all_tasks: list[str]) -> None:
    """Where the parameters are: shared, and each task's own."""
    colours = task_colours(all_tasks)
    parts = [("shared", counts["shared"], "#8A93A0"), *((task, number, colours.get(task, "#8A8A8A")) for task, number in counts["tasks"].items())]
    total = sum(number for _, number, _ in parts) or 1
    bar = "".join(f'<div style="flex:{max(number, total * 0.004)};background:{colour}"></div>' for _, number, colour in parts)
    legend = "".join(
        f'<span style="white-space:nowrap"><span style="color:{colour}">●</span> {name} {words.count(number)}</span>'
        for name, number, colour in parts
    )
    st.html(
        f'<div style="font-size:.875rem"><b>{words.count(total)} parameters</b>'
        f'<div style="display:flex;gap:2px;height:.5rem;border-radius:4px;overflow:hidden;margin:.35rem 0">{bar}</div>'
        f'<div style="display:flex;flex-wrap:wrap;gap:.1rem .9rem;opacity:.85">{legend}</div></div>'
    )


@st.cache_data(max_entries=64, show_spinner=False)
def parameter_counts(config_text: str) -> dict[str, Any]:
    """Counts for a config given as JSON; the network is built once per distinct config."""
    from mtl_core.training.check import parameter_counts as count

    return count(RunConfig.from_dict(json.loads(config_text)))
