"""Which data sets there are, and one of them made ready to be looked at."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.analysis.dataset_report import dataset_report
from mtl_core.config_sections import PartConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.imports import imported
from mtl_core.data.prepare import prepare
from mtl_core.data.source import DataSource
from ui import background, origin, words
from ui.guard import is_ours
from ui.imported_sets import IMPORTED, findings_of, origin_of
from ui.paths import path_problems
from ui.state import ask, go_to, presets, run_store, settings

PICTURE_WORDS = {1: "grey", 3: "colour"}


@dataclass(frozen=True)
class DataSet:
    """One line of the list.

    Attributes:
        name: in the address.
        part: plain ``{"name": ..., option: value}``, as a run's config has it.
        source: None where its options lead nowhere; ``problem`` says why.
    """

    name: str
    title: str
    part: dict[str, Any]
    source: DataSource | None
    problem: str = ""


def known_sets() -> list[DataSet]:
    """Those that were imported, then every other data set in the order of their table."""
    built_in = [_opened(name, DATA_SOURCES.load(name).title, options_of(name)) for name in DATA_SOURCES if name != IMPORTED]
    own = [_opened(f"{IMPORTED}/{entry.name}", entry.name, {"name": IMPORTED, "set": entry.name}) for entry in imported(run_store().home)]
    return [*own, *built_in]


def options_of(name: str) -> dict[str, Any]:
    """As the Train form has this data set, if it does; else as the first preset that uses it; else its defaults."""
    fields = DATA_SOURCES.load(name).Options.model_fields
    forms = [settings()["data"], *(preset.config.data.model_dump(mode="json") for preset in presets().values())]
    values = next((form for form in forms if form.get("name") == name), {})
    return {"name": name, **{key: value for key, value in values.items() if key in fields}}


def _opened(name: str, title: str, part: dict[str, Any]) -> DataSet:
    found = path_problems(part)
    if found:
        return DataSet(name, title, part, None, found[0])
    try:
        source = open_source(PartConfig(**part))
        source.split_sizes()
        problems = source.problems()
    except Exception as error:
        if not is_ours(error):
            raise
        return DataSet(name, title, part, None, str(error))
    return DataSet(name, title, part, source, problems[0][1] if problems else "")


def chosen_set(sets: list[DataSet]) -> DataSet | None:
    """The table of all sets; the chosen one is in the address. None, with a sentence, where the address names none of them."""
    names = [entry.name for entry in sets]
    asked = st.query_params.get("data") or _of_the_form()
    if asked not in names:
        st.error(
            f"There is no data set '{words.plain(asked)}' here. It may have been deleted, or belong to another MTL_HOME.",
            icon=":material/search_off:",
        )
        st.button("Show the first one", key="data.first", icon=":material/arrow_back:", on_click=_open, args=(names[0],))
        return None
    event = st.dataframe(
        pd.DataFrame([_row(entry) for entry in sets]),
        hide_index=True,
        placeholder="",
        height=min(36 * (len(sets) + 1), 300),
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [names.index(asked)]}},
        key=f"data.table.{len(sets)}.{asked if 'data' in st.query_params else ''}",
        column_config={
            "Data set": st.column_config.TextColumn(width=250),
            **{
                split: st.column_config.NumberColumn(split, format="localized", width=80, help=f"Images in {split}.")
                for split in ("train", "val", "test")
            },
            "Image size": st.column_config.TextColumn(width=150, help="Width x height in pixels."),
            "Tasks": st.column_config.TextColumn(width=420),
        },
    )
    rows = event.selection.rows
    chosen = sets[rows[0]] if rows and rows[0] < len(sets) else sets[names.index(asked)]
    if chosen.name != asked:
        _open(chosen.name)
        st.rerun()
    st.query_params["data"] = chosen.name
    return chosen


def _of_the_form() -> str:
    """The data set that the Train form has."""
    data = settings()["data"]
    return f"{IMPORTED}/{data.get('set', '')}" if data["name"] == IMPORTED else data["name"]


def _open(name: str) -> None:
    """Another data set: what was chosen about the one before does not hold for it."""
    for key in ("split", "task", "class", "has", "sample", "sheet"):
        st.query_params.pop(key, None)
    st.query_params["data"] = name


def _row(entry: DataSet) -> dict[str, Any]:
    row: dict[str, Any] = {"Data set": entry.title}
    if entry.source is None:
        return {**row, "train": None, "val": None, "test": None, "Image size": "", "Tasks": entry.problem}
    channels, height, width = entry.source.image_shape()
    sizes = entry.source.split_sizes()
    tasks = ", ".join(task.name for task in entry.source.tasks())
    return {**row, **sizes, "Image size": f"{width} x {height}, {PICTURE_WORDS.get(channels, '')}", "Tasks": tasks}


def set_header(entry: DataSet) -> None:
    """What it is, what it depends on, and the way to train on it."""
    own = entry.part["name"] == IMPORTED
    left, middle, right = st.columns([6, 1.2, 1.8] if own else [7, 0.01, 2], vertical_alignment="center")
    with left:
        st.subheader(words.plain(entry.title), anchor=False)
        fields = {} if entry.source is None else type(entry.source.options).model_fields
        changed = (
            [] if own else [f"{key.replace('_', ' ')} {value}" for key, value in entry.part.items() if key in fields and value != fields[key].default]
        )
        summary = origin_of(entry.part["set"]) if own else "" if entry.source is None else words.plain(entry.source.summary)
        more = f" :gray[{words.plain(', '.join(changed))}: as set on the Train page or by its preset.]" if changed else ""
        st.markdown(f"{summary}{more}")
        if own:
            findings_of(entry.part["set"])
    if own:
        middle.button("Delete", icon=":material/delete:", key="data.delete", width="stretch", on_click=ask, args=("delete_data", [entry.part["set"]]))
    off = entry.source is None or bool(entry.problem)
    right.button(
        "Train on this",
        type="primary",
        icon=":material/play_arrow:",
        key="data.train",
        width="stretch",
        disabled=off,
        on_click=train_on,
        args=(entry.part,),
    )
    if entry.problem:
        st.warning(words.plain(entry.problem), icon=":material/block:")


def train_on(part: dict[str, Any]) -> None:
    """To the Train form with this data set and all its tasks. A form that has it already stays as it is."""
    if origin.is_fork():
        origin.leave()
    here = settings()["data"]
    if any(here.get(key) != value for key, value in part.items()):
        source = open_source(PartConfig(**part))
        settings()["data"] = dict(part)
        settings()["tasks"] = {task.name: {"loss_weight": 1.0} for task in source.tasks()}
        st.session_state["tasks_put_aside"] = {}
        _fit_batch(source.split_sizes()["train"])
    go_to("train")


def _fit_batch(images: int) -> None:
    """A set with fewer training images than a batch takes could not be trained on: its batches are made smaller, and that is said."""
    asked = settings().get("batch_size", 0)
    if 0 < images < asked:
        settings()["batch_size"] = 2 ** int(math.log2(images))
        said = f"Batch size {settings()['batch_size']} instead of {asked}: there are only {images} training images"
        st.session_state.setdefault("toasts", []).append(said)


# -- made ready


def work_key(part: dict[str, Any]) -> str:
    """Under which a data set is made ready and kept."""
    return f"look {run_store().cache.as_posix()} {json.dumps(part, sort_keys=True)}"


def made_ready(entry: DataSet) -> dict[str, Any] | None:
    """``{"data": PreparedData, "report": DatasetReport}``; None, with the reason on screen, while there is none."""
    if entry.source is None or entry.problem:
        return None
    key = work_key(entry.part)
    state = background.state_of(key)
    fetches = "download" in type(entry.source.options).model_fields and getattr(entry.source.options, "glyphs", "mnist") == "mnist"
    if state is None and fetches:
        st.caption("Its pictures appear once they are made. Where files are missing they are downloaded first.")
        if not st.button("Prepare data", icon=":material/imagesmode:", key="data.make"):
            return None
    if state is None:
        state = _begin(entry.part)
    if not state["done"]:
        background.show_progress(key, "Preparing")
        return None
    if state["error"] or state["cancelled"]:
        said = "It was cancelled; nothing is left of it." if state["cancelled"] else words.plain(state["error"])
        st.info(said, icon=":material/info:") if state["cancelled"] else st.error(said, icon=":material/error:")
        st.button("Try again", icon=":material/refresh:", key="data.again", on_click=_begin, args=(entry.part,))
        return None
    return state["result"]


def _begin(part: dict[str, Any]) -> dict[str, Any]:
    cache = run_store().cache

    def work(progress: background.Progress, cancelled: Any) -> dict[str, Any]:
        data = prepare(open_source(PartConfig(**part)), cache, lambda share, what: progress(0.9 * share, what))
        return {"data": data, "report": dataset_report(data, lambda share, what: progress(0.9 + 0.1 * share, what))}

    return background.begin(work_key(part), work)
