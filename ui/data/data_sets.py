"""The list of data sets, the header of the chosen one, and its preparation for viewing."""

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
from mtl_core.data.data_source import DataSource
from mtl_core.data.imports import imported
from mtl_core.data.prepare import prepare
from mtl_core.language import mark, tr
from ui.data.set_sending import sending
from ui.drawing.table_sizes import whole_height
from ui.shell import page_jobs, words
from ui.shell.error_boundary import is_ours
from ui.shell.model_forms import LABELS
from ui.shell.page_address import rerun_page, set_address
from ui.shell.server_paths import path_problems
from ui.shell.state import go_to, open_dialog, presets, run_store, settings
from ui.status.toasts import add_toast
from ui.train import clone_and_fork
from ui.train.imported_sets import IMPORTED, findings_of, origin_of, version_of

TASKS_PIXELS, LETTERS = 390, 60  # width of the column of tasks, with which the table fits on a screen of 1280, and how many letters stand in it
PICTURE_WORDS = {1: mark("grey"), 3: mark("colour")}


@dataclass(frozen=True)
class DataSet:
    """One data set of the list.

    Attributes:
        name: its name in the address.
        part: plain ``{"name": ..., option: value}``, as in a run's config.
        source: None where the set cannot be opened; ``problem`` says why.
    """

    name: str
    title: str
    part: dict[str, Any]
    source: DataSource | None
    problem: str = ""


def known_sets() -> list[DataSet]:
    """The imported data sets, then the built-in ones in the order of their registry."""
    built_in = [_load_set(name, DATA_SOURCES.load(name).title, options_of(name)) for name in DATA_SOURCES if name != IMPORTED]
    own = [_load_set(f"{IMPORTED}/{entry.name}", entry.name, {"name": IMPORTED, "set": entry.name}) for entry in imported(run_store().home)]
    return [*own, *built_in]


def options_of(name: str) -> dict[str, Any]:
    """Options of a data set: those of the Train form if it has this set, else of the first preset that uses it, else the defaults."""
    fields = DATA_SOURCES.load(name).Options.model_fields
    forms = [settings()["data"], *(preset.config.data.model_dump(mode="json") for preset in presets().values())]
    values = next((form for form in forms if form.get("name") == name), {})
    return {"name": name, **{key: value for key, value in values.items() if key in fields}}


def _load_set(name: str, title: str, part: dict[str, Any]) -> DataSet:
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
    """Draw the table of all sets and return the chosen one, which the address names. None, with an error on screen, for an unknown name."""
    names = [entry.name for entry in sets]
    asked = st.query_params.get("data") or _of_the_form()
    if asked not in names:
        st.error(
            tr("There is no data set '{asked}' here. It may have been deleted, or belong to another MTL_HOME.", asked=words.plain(asked)),
            icon=":material/search_off:",
        )
        st.button(tr("Show the first one"), key="data.first", icon=":material/arrow_back:", on_click=_open, args=(names[0],))
        return None
    event = st.dataframe(
        pd.DataFrame([_row(entry) for entry in sets]).rename(columns=tr),
        hide_index=True,
        placeholder="",
        height=whole_height(len(sets), 300),
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [names.index(asked)]}},
        key=f"data.table.{len(sets)}.{asked if 'data' in st.query_params else ''}",
        column_config={
            tr("Data set"): st.column_config.TextColumn(width=220),
            **{
                tr(split): st.column_config.NumberColumn(format="localized", width=68, help=tr("Images in {split}.", split=tr(split)))
                for split in ("train", "val", "test")
            },
            tr("Files"): st.column_config.TextColumn(width=130, help=tr("A download begins when a run or the gallery first needs the files.")),
            tr("Image size"): st.column_config.TextColumn(width=140, help=tr("Width x height in pixels.")),
            tr("Tasks"): st.column_config.TextColumn(width=TASKS_PIXELS),
        },
    )
    rows = event.selection.rows
    chosen = sets[rows[0]] if rows and rows[0] < len(sets) else sets[names.index(asked)]
    if chosen.name != asked:
        _open(chosen.name)
        rerun_page()
    set_address({"data": chosen.name})
    return chosen


def _of_the_form() -> str:
    """The name of the data set in the Train form."""
    data = settings()["data"]
    return f"{IMPORTED}/{data.get('set', '')}" if data["name"] == IMPORTED else data["name"]


def _open(name: str) -> None:
    """Put a data set into the address, without the filters of the set before."""
    set_address({**dict.fromkeys(("split", "task", "class", "has", "sample", "sheet")), "data": name})


def where_files_are(entry: DataSet) -> str:
    """Whether a set's files are on this disk, in words. Generated sets and those that come with a package need none."""
    if entry.source is None or entry.problem:
        return tr("missing")
    fetch = entry.source.to_fetch()
    return tr("download of {megabytes:,} MB", megabytes=fetch[1]) if fetch else tr("on this disk")


def _row(entry: DataSet) -> dict[str, Any]:
    row: dict[str, Any] = {"Data set": tr(entry.title) if entry.part["name"] != IMPORTED else entry.title, "Files": where_files_are(entry)}
    if entry.source is None:
        return {**row, "train": None, "val": None, "test": None, "Image size": "", "Tasks": words.shortened(tr(entry.problem), LETTERS)}
    channels, height, width = entry.source.image_shape()
    sizes = entry.source.split_sizes()
    tasks = words.names_that_fit([task.name for task in entry.source.offered_tasks()], LETTERS)
    return {**row, **sizes, "Image size": f"{width} x {height}, {tr(PICTURE_WORDS.get(channels, ''))}", "Tasks": tasks}


def set_header(entry: DataSet) -> None:
    """Draw the set's title, summary and options, and its buttons."""
    own = entry.part["name"] == IMPORTED
    left, middle, right = st.columns([6, 1.2, 1.8] if own else [7, 0.01, 2], vertical_alignment="center")
    with left:
        st.subheader(words.plain(entry.title if own else tr(entry.title)), anchor=False)
        fields = {} if entry.source is None else type(entry.source.options).model_fields
        changed = [] if own else _changed_options(entry.part, fields)
        summary = origin_of(entry.part["set"]) if own else "" if entry.source is None else words.plain(tr(entry.source.summary))
        more = (
            tr(":gray[Here with {changed}, as set on the Train page or by a preset.]", changed=words.plain(tr(", ").join(changed))) if changed else ""
        )
        st.markdown(f"{summary} {more}".rstrip())
        if own:
            findings_of(entry.part["set"])
            sending(entry.part["set"])
    if own:
        middle.button(
            tr("Delete"),
            icon=":material/delete:",
            key="data.delete",
            width="stretch",
            on_click=open_dialog,
            args=("delete_data", [entry.part["set"]]),
        )
    off = entry.source is None or bool(entry.problem)
    right.button(
        tr("Train on this"),
        type="primary",
        icon=":material/play_arrow:",
        key="data.train",
        width="stretch",
        disabled=off,
        on_click=train_on,
        args=(entry.part,),
    )
    if entry.problem:
        st.warning(words.plain(tr(entry.problem)), icon=":material/block:")


def _changed_options(part: dict[str, Any], fields: dict[str, Any]) -> list[str]:
    """Options that differ from their defaults, such as ``Max digits 3 instead of 4``, by the labels of their fields."""
    changed = [(key, value, fields[key].default) for key, value in part.items() if key in fields and value != fields[key].default]
    return [
        tr("{option} {value} instead of {default}", option=tr(LABELS.get(key, key.replace("_", " ").capitalize())), value=value, default=default)
        for key, value, default in changed
    ]


def train_on(part: dict[str, Any]) -> None:
    """Open the Train form with this data set and all its tasks. A form that already has this set keeps its settings."""
    if clone_and_fork.is_fork():
        clone_and_fork.restore_settings()
    here = settings()["data"]
    if any(here.get(key) != value for key, value in part.items()):
        source = open_source(PartConfig(**part))
        settings()["data"] = dict(part)
        settings()["tasks"] = {task.name: {"loss_weight": 1.0} for task in source.offered_tasks()}
        st.session_state["tasks_put_aside"] = {}
        _fit_batch(source.split_sizes()["train"])
    go_to("train")


def _fit_batch(images: int) -> None:
    """Reduce the batch size to the number of training images where the set has fewer, and say so in a toast."""
    asked = settings().get("batch_size", 0)
    if 0 < images < asked:
        settings()["batch_size"] = 2 ** int(math.log2(images))
        said = tr(
            "Batch size {batch_size} instead of {asked}: the set has only {images} training {images:image|images}",
            batch_size=settings()["batch_size"],
            asked=asked,
            images=images,
        )
        add_toast(said)


def work_key(part: dict[str, Any]) -> str:
    """Key of the background job that prepares a data set."""
    return f"look {run_store().cache.as_posix()} {json.dumps(part, sort_keys=True)} {version_of(part)}"


def prepared_set(entry: DataSet) -> dict[str, Any] | None:
    """``{"data": PreparedData, "report": DatasetReport}``; None, with the reason on screen, until the set is prepared."""
    if entry.source is None or entry.problem:
        return None
    key = work_key(entry.part)
    state = page_jobs.state_of(key)
    fetches = "download" in type(entry.source.options).model_fields and getattr(entry.source.options, "glyphs", "mnist") == "mnist"
    if state is None and fetches:
        st.caption(tr("Its images appear once they are prepared. Missing files are downloaded first."))
        if not st.button(tr("Prepare data"), icon=":material/imagesmode:", key="data.make"):
            return None
    if state is None:
        state = _start_preparing(entry.part)
    if not state["done"]:
        page_jobs.show_progress(key, mark("Preparing"))
        return None
    if state["error"] or state["cancelled"]:
        said = tr("The preparation was cancelled. No files are left of it.") if state["cancelled"] else words.plain(tr(state["error"]))
        st.info(said, icon=":material/info:") if state["cancelled"] else st.error(said, icon=":material/error:")
        st.button(tr("Try again"), icon=":material/refresh:", key="data.again", on_click=_prepare_again, args=(entry.part,))
        return None
    return state["result"]


def _prepare_again(part: dict[str, Any]) -> None:
    _start_preparing(part)


def _start_preparing(part: dict[str, Any]) -> dict[str, Any]:
    cache = run_store().cache

    def work(progress: page_jobs.Progress, cancelled: Any) -> dict[str, Any]:
        data = prepare(open_source(PartConfig(**part)), cache, lambda share, what: progress(0.9 * share, what))
        return {"data": data, "report": dataset_report(data, lambda share, what: progress(0.9 + 0.1 * share, what))}

    return page_jobs.begin(work_key(part), work)
