"""The gallery of a data set: its images with a task's targets drawn, filters, pages, and one enlarged image."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from mtl_core.analysis.dataset_report import SPLITS, class_presence, find_rows, with_targets
from mtl_core.data.dataset import MultiTaskDataset, PreparedData, Task
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.picture_font import picture_language
from mtl_core.language import language, mark, speaking, tr
from mtl_core.runs.looks import note_look_at_data
from ui.data.data_sets import DataSet, work_key
from ui.drawing.contact_sheets import drawn_and_said, for_thumbnails, ink, legend, room_for, said
from ui.drawing.table_sizes import head_width
from ui.shell import page_jobs, words
from ui.shell.page_address import set_address
from ui.shell.state import hold, is_choice, run_store, torch_is_ready

PER_PAGE = 24
COLUMNS = 8
TILE_PIXELS = 224  # about; enlarged by a whole number
LARGE_PIXELS = 420
LARGE_COLUMNS = 4
OPTIONS_PIXELS, BOX_PIXELS = 330, 190  # widest row of options, and width of a box; four filters stand beside each other on a screen of 1280
HAS = {"all": mark("All"), "yes": mark("With target"), "no": mark("Without")}


def gallery(entry: DataSet, data: PreparedData) -> None:
    """Draw the filters and the page of images that match them."""
    tasks = with_targets(data)
    split, task, rows = _filters(entry, data, tasks)
    if not torch_is_ready():
        return
    if split == "test":
        _report_look(entry)
    _sample(entry, data, tasks, split, rows)
    if not len(rows):
        st.info(tr("No image matches these filters. Change them above."), icon=":material/search_off:")
        return
    page = _pages(len(rows), len(data.split(split)), f"{entry.name}.{split}")
    shown = rows[page * PER_PAGE : (page + 1) * PER_PAGE]
    for start in range(0, len(shown), COLUMNS):
        for place, row in zip(st.columns(COLUMNS, gap="small"), shown[start : start + COLUMNS], strict=False):
            with place:
                _tile(entry, data, split, task, int(row))
    if task is not None:
        legend(task)


def _report_look(entry: DataSet) -> None:
    """Record that the test images were shown, and say so."""
    store = run_store()
    try:
        note_look_at_data(store.home, entry.part)
        kept = tr("This look is recorded, and the Evaluation of each run on this data set shows it.")
    except OSError as error:
        kept = tr(
            "This look could not be recorded in '{home}': {reason}. Free some space, or set MTL_HOME.",
            home=store.home,
            reason=error.strerror or error,
        )
    st.caption(tr(":material/lock: Test images measure a run fairly only while no choice depends on them. {kept}", kept=words.plain(kept)))


def _filters(entry: DataSet, data: PreparedData, tasks: dict[str, Task]) -> tuple[str, Task | None, np.ndarray]:
    """Draw the filters for split, task, class and target, which the address holds. Returns the split, the task and the matching rows."""
    with st.container(key="data_filters", horizontal=True, vertical_alignment="bottom", gap="medium"):
        split = _choice("split", tr("Split"), [name for name in SPLITS if len(data.split(name))], entry.name, tr)
        name = _choice("task", tr("Targets of"), list(tasks), entry.name)
        task = tasks.get(name or "")
        chosen, has = None, "all"
        if task is not None:
            has = _choice("has", tr("Targets"), list(HAS), entry.name, words.translated(HAS))
            if task.classes:
                chosen = _class_filter(task, f"{entry.name}.{name}")
    part = data.split(split)
    presence = None
    if task is not None and chosen is not None:
        presence = _presence(work_key(entry.part), split, name)[:, chosen]
    return split, task, find_rows(part, task, has_target={"yes": True, "no": False}.get(has), presence=presence)


def _choice(key: str, label: str, options: list[str], name: str, words_of: Any = str) -> str:
    """Draw a row of options whose choice the address holds; a box where the row would push the other filters onto a second line."""
    asked = st.query_params.get(key)
    value = asked if asked in options else (options[0] if options else None)
    widget = f"data.{key}.{name}"

    def take() -> None:
        if is_choice(widget, value):
            set_address({key: st.session_state[widget]})
            _begin_at_first_page()

    hold(widget, value)
    looks: dict[str, Any] = {"key": widget, "format_func": words_of, "on_change": take}
    if value is not None and sum(head_width(words_of(option)) for option in options) > OPTIONS_PIXELS:
        st.selectbox(label, options, options.index(value), width=BOX_PIXELS, **looks)
    else:
        st.segmented_control(label, options, default=value, required=True, **looks)
    return value or ""


def _class_filter(task: Task, name: str) -> int | None:
    asked, widget, choices = st.query_params.get("class"), f"data.class.{name}", ["", *task.classes]
    value = asked if asked in choices else ""

    def take() -> None:
        if is_choice(widget, value):
            set_address({"class": st.session_state[widget] or None})
            _begin_at_first_page()

    hold(widget, value)
    st.selectbox(tr("Class"), choices, choices.index(value), key=widget, format_func=lambda text: text or tr("Any class"), on_change=take, width=220)
    return task.classes.index(value) if value else None


def _begin_at_first_page() -> None:
    set_address({"sheet": None, "sample": None})


def _pages(count: int, every: int, name: str) -> int:
    """Draw the number of images and the page buttons. Returns the page shown, counted from 0."""
    pages = -(-count // PER_PAGE)
    asked = st.query_params.get("sheet", "1")
    page = min(max(1, int(asked)), pages) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 1
    with st.container(key="data_pages", horizontal=True, vertical_alignment="center", gap="small"):
        where = {"count": count, "page": page, "pages": pages}
        said = (
            tr("**{count:,}** of {every:,} {every:image|images} · page {page:,} of {pages:,}", every=every, **where)
            if count < every
            else tr("**{count:,}** {count:image|images} · page {page:,} of {pages:,}", **where)
        )
        st.markdown(said, width="content")
        st.space("stretch")
        for label, icon, to in (
            (mark("First"), "first_page", 1),
            (mark("Previous page"), "chevron_left", page - 1),
            (mark("Next page"), "chevron_right", page + 1),
            (mark("Last"), "last_page", pages),
        ):
            off = not 1 <= to <= pages or to == page
            st.button(tr(label), icon=f":material/{icon}:", key=f"data.page.{label}", type="tertiary", disabled=off, on_click=_turn, args=(to,))
    return page - 1


def _turn(page: int) -> None:
    set_address({"sheet": str(page)})


def _tile(entry: DataSet, data: PreparedData, split: str, task: Task | None, row: int) -> None:
    picture, caption = _drawn(work_key(entry.part), split, task.name if task else "", row, language())
    st.image(picture, width="stretch", alt=tr("Image {row} of {split}", row=row + 1, split=tr(split)))
    label = words.plain(words.shortened(f"{row + 1}: {caption}" if caption else f"{row + 1}", 34))
    st.button(label, key=f"data.open.{split}.{row}", type="tertiary", help=tr("Enlarge this image, with every target"), on_click=_show, args=(row,))


def _show(row: int) -> None:
    set_address({"sample": str(row + 1)})


def _close() -> None:
    set_address({"sample": None})


def _sample(entry: DataSet, data: PreparedData, tasks: dict[str, Task], split: str, rows: np.ndarray) -> None:
    """Draw the image that the address names, enlarged, with the target of every task."""
    asked = st.query_params.get("sample", "")
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked[:9]) <= len(data.split(split))):
        set_address({"sample": None})
        return
    row = int(asked) - 1
    before, after = rows[rows < row], rows[rows > row]
    with st.container(border=True, key="data_sample"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            lacking = [name for name, task in tasks.items() if not data.split(split).labelled[task.target][row]]
            where = {"row": row + 1, "split": tr(split)}
            said_above = (
                tr("**Image {row:,} of {split}** :gray[no target for {tasks}]", tasks=words.plain(", ".join(lacking)), **where)
                if lacking
                else tr("**Image {row:,} of {split}**", **where)
            )
            st.markdown(said_above, width="content")
            st.space("stretch")
            st.button(
                tr("Previous image"),
                icon=":material/chevron_left:",
                key="data.previous",
                disabled=not len(before),
                on_click=_show,
                args=(_last(before),),
            )
            st.button(
                tr("Next image"), icon=":material/chevron_right:", key="data.next", disabled=not len(after), on_click=_show, args=(_first(after),)
            )
            st.button(tr("Close"), icon=":material/close:", key="data.close", on_click=_close)
        sheet, pictures, in_words = _large(work_key(entry.part), split, row, ink(), picture_language())
        said(in_words)
        with room_for(pictures, LARGE_COLUMNS):
            st.image(sheet, width="stretch", alt=tr("Image {row} of {split} with every target", row=row + 1, split=tr(split)))


def _last(rows: np.ndarray) -> int:
    return int(rows[-1]) if len(rows) else 0


def _first(rows: np.ndarray) -> int:
    return int(rows[0]) if len(rows) else 0


def _data_of(key: str) -> PreparedData:
    """What the job that prepared a set has made."""
    state = page_jobs.state_of(key)
    assert state is not None  # the gallery is drawn only after the job
    return state["result"]["data"]


@st.cache_resource(max_entries=24, show_spinner=False)
def _presence(key: str, split: str, task_name: str) -> np.ndarray:
    data = _data_of(key)
    task, part = data.tasks[task_name], data.split(split)
    return class_presence(task, part.targets[task.target], part.labelled[task.target])


@st.cache_data(max_entries=800, show_spinner=False)
def _drawn(key: str, split: str, task_name: str, row: int, spoken: str) -> tuple[bytes, str]:
    data = _data_of(key)
    with speaking(spoken):
        tile = drawn_target(data.split(split), row, data.tasks.get(task_name), TILE_PIXELS, small=True)
    return png(tile.image), tile.caption


@st.cache_data(max_entries=64, show_spinner=False)
def _large(key: str, split: str, row: int, colour: str, spoken: str) -> tuple[bytes, int, list[str]]:
    """The contact sheet as PNG, its number of pictures, and the targets that are text only."""
    data = _data_of(key)
    part = data.split(split)
    targets = []
    with speaking(spoken):
        image = Tile(drawn_target(part, row, None, LARGE_PIXELS).image, tr("image"))
        for name, task in with_targets(data).items():
            tile = drawn_target(part, row, task, LARGE_PIXELS)
            targets.append(Tile(tile.image, f"{name}: {tile.caption}" if tile.caption else name))
    drawn, in_words = drawn_and_said(image, targets)
    tiles = [image, *drawn]
    rows = [("", tiles[start : start + LARGE_COLUMNS]) for start in range(0, len(tiles), LARGE_COLUMNS)]
    return png(contact_sheet(rows, ink=colour, text_height=24)), len(tiles), in_words


def drawn_target(part: MultiTaskDataset, row: int, task: Task | None, pixels: int, small: bool = False) -> Tile:
    """One image, about ``pixels`` wide, with a task's target drawn on it (None: the image alone) and in words below it.

    A ``small`` image with many boxes has no class names on them.
    """
    from mtl_core.tasks import TASK_KINDS

    picture = np.moveaxis(np.asarray(part.images[row]), 0, -1)
    picture = np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else np.ascontiguousarray(picture)
    scale = max(1, pixels // picture.shape[1])
    if task is None:
        return Tile(enlarge(picture, scale), "")
    if not part.labelled[task.target][row]:
        return Tile(enlarge(picture, scale), tr("no target"))
    target = part.targets[task.target][row]
    drawing = TASK_KINDS.load(task.kind).draw_target(picture, target, for_thumbnails(task, target) if small else task, scale)
    return Tile(drawing.image, drawing.caption)
