"""One image large, beside a second run where one is chosen; what each task looks at."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import streamlit as st

from mtl_core.data.imports.import_library import ImportedSet, get_imported
from mtl_core.data.imports.pinned_set import check_pin
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import draw_heat, enlarge
from mtl_core.figures.picture_font import picture_language
from mtl_core.figures.primitives import Boxes
from mtl_core.language import speaking, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.tasks import kind_of
from ui.drawing.contact_sheets import ink
from ui.drawing.run_charts import colours_of
from ui.drawing.viewer import sample_json, viewer
from ui.predictions.chosen_network import BEST, networks_of
from ui.predictions.error_gallery import chosen_part
from ui.predictions.image_source import PROBE, pictures_of, tasks_of
from ui.shell.error_boundary import is_ours, worded
from ui.shell.page_address import set_address
from ui.shell.run_picker import OFFERED, WIDE, box_texts, box_width
from ui.shell.state import hold_first, listing, run_store, torch_is_ready
from ui.shell.words import plain, text_of

LOOK_PIXELS = 260


@st.fragment
@worded
def sample_view(run_id: str, source: str) -> None:
    """The image that the address names. Moving to another one draws this part only."""
    run = run_store().get(run_id)
    pictures = pictures_of(run, source)
    if pictures is None:
        return
    number = _number(len(pictures))
    other, other_pictures, other_number = _second(run, source, pictures, number)
    tasks = tasks_of(run)
    runs = [pictures.frames(number)] + ([other_pictures.frames(other_number)] if other_pictures else [])
    sample = sample_json(number, pictures.image(number), pictures.targets(number), runs)
    # A letter first: a fork is called as its parent, and long names are cut off at their end.
    names = [f"{letter} {shown_name(each)}" for letter, each in zip("AB", (run, other), strict=True)] if other_pictures else [shown_name(run)]
    epochs = pictures.epochs()
    asked = st.query_params.get("epoch", "")
    key = f"viewer.{run_id}.{source}"

    def stay(key: str = key) -> None:
        epoch = (st.session_state.get(key) or {}).get("epoch")
        if epoch is not None:
            set_address({"epoch": str(int(epoch))})

    def move(key: str = key, count: int = len(pictures), now: int = number) -> None:
        by = (st.session_state.get(key) or {}).get("move")
        if by is not None:
            set_address({"sample": str(_neighbour(now, int(by), count))})

    viewer(
        sample,
        tasks,
        colours_of(run.config),
        names,
        key=key,
        sequence="/".join([source, run_id, other.id if other_pictures else ""]),
        epoch=int(asked) if asked in map(str, epochs) else epochs[-1],
        suppression=_suppression(run, tasks),
        single="" if source == PROBE else tr("best checkpoint, epoch {epochs}", epochs=epochs[-1]),
        on_epoch=stay,
        on_move=move,
    )
    where = tr("validation") if source == PROBE else source
    file = _file_of(run, "val" if source == PROBE else source, pictures.row(number))
    made_of = tr(", made of {file}", file=plain(file)) if file else ""
    st.caption(
        tr(
            "Image {number} of {pictures:,}: row {row:,} of the {where} split{chosen_part}{made_of}.",
            number=number + 1,
            pictures=len(pictures),
            row=pictures.row(number),
            where=where,
            chosen_part=chosen_part(pictures),
            made_of=made_of,
        )
    )
    _look(run, pictures, number)


def _file_of(run: Any, split: str, row: int) -> str:
    """The user's picture behind a row of an imported set; empty where it is not known."""
    name = run.config.imported_set
    if not name:
        return ""
    try:
        check_pin(run_store().folder(run.id), name, run_store().home)
        files = _files(get_imported(name, run_store().home), split)
    except Exception as error:
        if not is_ours(error):
            raise
        return ""  # it was deleted, or other data have its name
    return files[row] if row < len(files) else ""


@st.cache_data(max_entries=6, show_spinner=False, hash_funcs={ImportedSet: lambda found: (str(found.folder), found.created_at)})
def _files(found: ImportedSet, split: str) -> list[str]:
    return found.files(split)


def _number(count: int) -> int:
    asked = st.query_params.get("sample", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 10 else 0
    if number >= count:
        st.warning(tr("There is no image {number}: this set has {count:,}. The last one is shown.", number=number + 1, count=count))
    return min(number, count - 1)


def _neighbour(now: int, by: int, count: int) -> int:
    """The next image in the gallery's order, as it was last shown."""
    order = [number for number in st.session_state.get("predictions.order", []) if number < count]
    if now not in order:
        order = list(range(count))
    return order[(order.index(now) + by) % len(order)]


def _suppression(run: Any, tasks: dict[str, Any]) -> float:
    """Overlap above which this run's detection drops a box."""
    options = [run.config.tasks[name].options for name, task in tasks.items() if kind_of(task.kind).layer == Boxes.type and name in run.config.tasks]
    return float(options[0].get("nms_threshold", 0.6)) if options else 0.6


def second_run(run: Any) -> None:
    """Draw the choice of the run beside this one; the address holds it. Nothing where there is no other run."""
    names = _others(run)
    if len(names) < 2:
        return
    asked = st.query_params.get("beside", "")
    key = f"beside.{run.id}"
    held = hold_first(key, asked if asked in names else "", names)
    kept: dict[str, Any] = {"label_visibility": "collapsed", "format_func": text_of(names), "width": box_width(names[held])}
    chosen = st.selectbox(tr("Compare with"), list(names), list(names).index(held), key=key, **kept)
    set_address({"beside": chosen or None})


def _others(run: Any) -> dict[str, str]:
    """The other runs with their names, which begin with a word: these boxes have no label above them. The first is no run."""
    others = {each.id: each for each in listing(run_store().home.as_posix()) if each.id != run.id and not each.archived}
    chosen = st.query_params.get("beside", "")
    others = {each: others[each] for place, each in enumerate(others) if place < OFFERED or each == chosen}
    names = box_texts(others.values(), WIDE - len("beside "))
    return {"": tr("beside no other run")} | {each: tr("beside {name}", name=name) for each, name in names.items()}


def _second(run: Any, source: str, pictures: Any, number: int) -> tuple[Any, Any, int]:
    """The run beside it, its images, and which of them is the same one; (None, None, 0) without."""
    chosen = st.query_params.get("beside", "")
    if not chosen or chosen not in _others(run):
        return None, None, 0
    other = run_store().get(chosen)
    if not other.info or set(tasks_of(other)).isdisjoint(tasks_of(run)):
        st.info(tr("{name} has no task in common with this run, or has not begun to train.", name=plain(shown_name(other))))
        return None, None, 0
    found = pictures_of(other, source)
    same = same_image(found, pictures.image(number), pictures.row(number)) if found is not None else None
    if same is None:
        if found is not None:
            st.info(
                tr("{name} has no prediction of this image: it was trained on other data, or with another probe set.", name=plain(shown_name(other)))
            )
        return None, None, 0
    return other, found, same


def same_image(pictures: Any, image: np.ndarray, row: int) -> int | None:
    """Which of another run's images is this very one; looked for where it stands first."""
    numbers = sorted(range(len(pictures)), key=lambda number: pictures.row(number) != row)
    return next((number for number in numbers[:200] if np.array_equal(pictures.image(number), image)), None)


def _look(run: Any, pictures: Any, number: int) -> None:
    """Grad-CAM of every task, on request: it needs the network."""
    if not st.toggle(tr("Where does each task look? (best checkpoint)"), key="predictions.look", persist_state="session") or not torch_is_ready():
        return
    with st.spinner(tr("Loading the network")):
        checkpoint = networks_of(run)[BEST].name
        heats = _heats(run_store().home.as_posix(), run.id, checkpoint, json.dumps([number, pictures.row(number)]), pictures.image(number))
    image = pictures.image(number)
    look_sheet(image, heats)


def look_sheet(image: np.ndarray, heats: dict[str, np.ndarray]) -> None:
    """Image and heat maps side by side, with what they mean."""
    scale = max(1, LOOK_PIXELS // image.shape[1])
    flat = [name for name, heat in heats.items() if not heat.any()]
    shown = {name: heat for name, heat in heats.items() if name not in flat}  # a map without any heat would be an empty tile
    with speaking(picture_language()):
        whole = Tile(enlarge(image, scale), tr("image"))
    tiles = [whole, *(Tile(draw_heat(image, heat, scale), name) for name, heat in shown.items())]
    width = sum(tile.image.shape[1] + 8 for tile in tiles)
    st.image(
        png(contact_sheet([("", tiles)], ink=ink(), text_height=16)), width=min(width, 1700), alt=tr("Where each task looks, one picture per task")
    )
    names = tr(", ").join(plain(name) for name in flat)
    st.caption(
        tr(
            "Grad-CAM (Selvaraju et al. 2017) on the features that all tasks share: yellow places speak most for the task's own answer. "
            "Each map is scaled to its own maximum."
        )
        + (tr(" No map for {tasks}: no place of the features raises its answer on this image.", tasks=names) if flat else "")
    )


@st.cache_resource(max_entries=2, show_spinner=False)
def predictor_of(home: str, run_id: str, network: str, checkpoint: str) -> Any:
    """The ``network`` of a run, as ``best`` or ``best:TASK``; ``checkpoint`` names it, so that a newer one is loaded anew."""
    from mtl_core.inference.loading import load

    return load(run_id, network, home=home)


@st.cache_data(max_entries=64, show_spinner=False)
def _heats(home: str, run_id: str, checkpoint: str, which: str, _image: np.ndarray) -> dict[str, np.ndarray]:
    from mtl_core.inference.saliency import saliency

    predictor = predictor_of(home, run_id, BEST, checkpoint)
    return saliency(predictor, predictor.framed(_image))
