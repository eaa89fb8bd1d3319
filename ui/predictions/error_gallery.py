"""All images of a run's probe set or split: sorted by a task's error, filtered, each one click from its large view."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from mtl_core.analysis.disagreement import disagreements
from mtl_core.analysis.sample_errors import SampleErrors, per_sample_errors
from mtl_core.data.dataset import Task
from mtl_core.figures.gallery import png
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.primitives import WORDS
from mtl_core.language import language, mark, tr
from mtl_core.tasks import kind_of
from ui.drawing.contact_sheets import for_thumbnails, legend
from ui.shell.element_keys import component_key
from ui.shell.page_address import set_address
from ui.shell.words import measured, plain

A_PAGE = 24
COLUMNS = 6  # of the picture that the thumbnails are cut from
TILE_PIXELS = 128
DISAGREE, POSITION = "tasks disagree", "position in the set"
DISAGREES_FROM = 0.2  # share of boxes, edges or of one counted thing


def error_gallery(pictures: Any, tasks: Mapping[str, Task], epoch: int, key: str, line: Any) -> None:
    """Controls, in the container ``line``, thumbnails and pages. A click opens the image: ``sample`` in the address."""
    found = _numbers(pictures, tasks, epoch)
    with line:
        shown, sort_by, filters = _choices(found, tasks, key)
    st.session_state["predictions.order"] = [int(number) for number in shown]
    if not len(shown):
        st.info(tr("No image is left by these filters. Take one of them away."))
        return
    pages = -(-len(shown) // A_PAGE)
    said, page = st.container(horizontal=True, vertical_alignment="center", gap="small"), 0
    told = said.container(width="stretch")
    if pages > 1:
        page = (
            said.number_input(tr("Page of {pages}", pages=pages), 1, pages, 1, key=f"{key}.page.{pages}", label_visibility="collapsed", width=130) - 1
        )
    members = [int(number) for number in shown[page * A_PAGE : (page + 1) * A_PAGE]]
    drawn = [task for task in tasks.values() if not _is_said(task)]
    drawn.sort(key=lambda task: task.target.startswith("made/"))  # a task that sees changed copies only where there is no other
    first = next((task for task in drawn if task.name == sort_by), None) or next(iter(drawn or tasks.values()))
    told.caption(_summary(found, shown, sort_by, page, pages, paired=bool(drawn)) + filters + chosen_part(pictures))
    in_words = tasks[sort_by] if sort_by in tasks and _is_said(tasks[sort_by]) else None
    _thumbnails(pictures, found, members, first, in_words, sort_by, epoch, key)
    legend(first)


def _numbers(pictures: Any, tasks: Mapping[str, Task], epoch: int) -> dict[str, Any]:
    """Errors by task and checks of agreement, worked out once for an epoch."""
    kept = st.session_state.setdefault("predictions.numbers", {})
    name = f"{language()}.{id(pictures) if len(pictures.epochs()) > 1 else pictures.split}.{epoch}.{len(pictures)}.{st.query_params.get('run')}"
    if kept.get("name") != name:
        arrays = pictures.arrays(epoch)
        targets, labelled = pictures.truth()
        errors = {
            task: per_sample_errors(about.kind, arrays[task], targets[task], labelled[task])
            for task, about in tasks.items()
            if task in arrays and task in targets
        }
        kept.clear()
        kept["name"] = name
        kept["errors"] = {
            task: {"values": each.values, "mistakes": each.mistakes, "title": each.title, "unit": _unit(each, tasks[task])}
            for task, each in errors.items()
            if each is not None
        }
        kept["checks"] = disagreements(tasks, arrays, targets, labelled)
        kept["targets"], kept["labelled"] = targets, labelled
    return kept


def _is_said(task: Task) -> bool:
    """Its targets and predictions are words, not drawn on the image."""
    return kind_of(task.kind).layer in WORDS


def _unit(errors: SampleErrors, task: Task) -> str:
    return task.unit if errors.unit == "unit" else errors.unit


def _choices(found: dict[str, Any], tasks: Mapping[str, Task], key: str) -> tuple[np.ndarray, str, str]:
    """What is shown, in order; by what it is sorted; the filters in words, empty without one."""
    offered: list[str] = [*found["errors"], *([DISAGREE] if found["checks"] else []), POSITION]
    kept: dict[str, Any] = {"label_visibility": "collapsed", "persist_state": "session"}
    sort_by = st.selectbox(tr("Sort by"), offered, format_func=_sorting, key=f"{key}.sort", width=270, **kept)
    best_first = st.toggle(tr("best first"), key=f"{key}.best", persist_state="session")
    with st.popover(tr("Filter"), icon=":material/filter_alt:"):
        mistakes = st.toggle(tr("only mistakes"), key=f"{key}.mistakes", persist_state="session", help=tr(_ABOUT_MISTAKES))
        disagree = False
        if found["checks"]:
            disagree = st.toggle(
                tr("only where tasks disagree"),
                key=f"{key}.disagree",
                persist_state="session",
                help=tr("Checks: {checks}", checks=tr("; ").join(found["checks"])),
            )
        classes = sorted({name for task in tasks.values() for name in task.classes if name != "background"})
        wanted = (
            st.multiselect(tr("With class"), classes, key=f"{key}.classes", placeholder=tr("any"), wrap=True, persist_state="session")
            if classes
            else []
        )
    keys = _sort_keys(found, sort_by)
    order = np.argsort(keys if best_first else -keys, kind="stable") if sort_by != POSITION else np.arange(len(keys))
    order = order[~np.isnan(keys[order])]
    keep = np.ones(len(keys), dtype=bool)
    if mistakes:
        keep &= mistaken(found, sort_by)
    if disagree:
        keep &= _disagreement(found) >= DISAGREES_FROM
    for name in wanted:
        keep &= with_class(tasks, found["targets"], found["labelled"], name)
    said = [text for text, is_set in ((tr("only mistakes"), mistakes), (tr("only where tasks disagree"), disagree)) if is_set]
    said += [tr("with {wanted}", wanted=tr(", ").join(wanted))] if wanted else []
    return order[keep[order]], sort_by, plain(f" · {' · '.join(said)}") if said else ""


def _sorting(offered: str) -> str:
    """A task of the errors, or one of the two other orders."""
    others = {DISAGREE: tr("by how much tasks disagree"), POSITION: tr("by position in the set")}
    return others.get(offered) or tr("by error of {task}", task=offered)


_ABOUT_MISTAKES = mark(
    "The wrong class or set of classes, a box missed or a false positive. For tasks that only know more or less (segmentation, depth, numbers): "
    "the worse half of the images."
)


def _sort_keys(found: dict[str, Any], sort_by: str) -> np.ndarray:
    if sort_by in found["errors"]:
        return found["errors"][sort_by]["values"].astype(float)
    count = len(next(iter(found["targets"].values())))
    return _disagreement(found) if sort_by == DISAGREE else np.arange(count, dtype=float)


def _disagreement(found: dict[str, Any]) -> np.ndarray:
    """The strongest contradiction of each image; 0 where no check says anything."""
    count = len(next(iter(found["targets"].values())))
    return np.nan_to_num(np.stack([*(check.values for check in found["checks"].values()), np.zeros(count)]), nan=0.0).max(0)


def mistaken(found: dict[str, Any], sort_by: str) -> np.ndarray:
    """bool (n,): mistakes of the task that is sorted by; of any task where it is none."""
    chosen = [sort_by] if sort_by in found["errors"] else list(found["errors"])
    wrong = np.zeros(len(next(iter(found["targets"].values()))), dtype=bool)
    for name in chosen:
        values, mistakes = found["errors"][name]["values"], found["errors"][name]["mistakes"]
        if mistakes is not None:
            wrong |= mistakes
        elif len(chosen) == 1 and np.isfinite(values).any():
            wrong |= np.nan_to_num(values, nan=-np.inf) > np.nanmedian(values)
    return wrong


def with_class(tasks: Mapping[str, Task], targets: Mapping[str, np.ndarray], labelled: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """bool (n,): some task's target says that the class is in the image."""
    there = np.zeros(len(next(iter(targets.values()))), dtype=bool)
    for task_name, task in tasks.items():
        if task_name not in targets or name not in task.classes:
            continue
        rows = np.flatnonzero(labelled[task_name])
        present = kind_of(task.kind).presence(task, targets[task_name][rows])
        if present is not None:
            there[rows] |= present[:, task.classes.index(name)]
    return there


def _summary(found: dict[str, Any], shown: np.ndarray, sort_by: str, page: int, pages: int, paired: bool) -> str:
    total = len(next(iter(found["targets"].values())))
    count = (
        tr("{shown:,} of {total:,} {total:image|images}", shown=len(shown), total=total)
        if len(shown) < total
        else tr("{total:,} {total:image|images}", total=total)
    )
    what = tr(found["errors"].get(sort_by, {}).get("title", ""))
    about = tr(" · {sort_by}: {what}, lower is better", sort_by=sort_by, what=what) if what else ""
    sides = tr(" · left: target, right: prediction") if paired else ""
    return plain(f"{count}{about}{sides}" + (tr(" · page {page} of {pages}", page=page + 1, pages=pages) if pages > 1 else ""))


def chosen_part(pictures: Any) -> str:
    """Says so where only a part of a split was predicted."""
    whole = len(getattr(pictures, "data", pictures))
    return tr(" · {pictures:,} of the split's {whole:,} images, evenly spread", pictures=len(pictures), whole=whole) if whole > len(pictures) else ""


def _thumbnails(pictures: Any, found: dict[str, Any], members: list[int], task: Task, said: Task | None, sort_by: str, epoch: int, key: str) -> None:
    sprite, ratio = _sprite(pictures, found, members, task, epoch)
    told = _told(pictures, found, members, said, epoch)
    mistakes = mistaken(found, "")
    data = {
        "tiles": [{"number": number, **_shown(found, number, sort_by, told), "mistake": bool(mistakes[number])} for number in members],
        "columns": COLUMNS,
        "ratio": ratio,
        "words": [_words(number, _lines(found, number, sort_by, told), not _is_said(task)) for number in members],
        "sprite": "data:image/png;base64," + base64.b64encode(sprite).decode(),
    }
    data["revision"] = hashlib.sha1(repr(data).encode()).hexdigest()

    def opened() -> None:
        number = (st.session_state.get(f"{key}.thumbnails") or {}).get("open")
        if number is not None:
            set_address({"sample": str(int(number))})

    _component()(key=component_key(f"{key}.thumbnails"), data=data, on_open_change=opened)


def _words(number: int, lines: list[str], is_paired: bool) -> dict[str, str]:
    """What a pointer and a screen reader are told of a thumbnail."""
    about = mark("Image {number}: target and prediction. {lines}") if is_paired else mark("Image {number}. {lines}")
    said = tr(about, number=number + 1, lines=tr(". ").join(lines))
    return {"title": "\n".join([tr("Open image {number}", number=number + 1), *lines]), "label": said}


def _told(pictures: Any, found: dict[str, Any], members: list[int], task: Task | None, epoch: int) -> dict[int, str]:
    """What the target is and what was predicted, in words, for a task that is not drawn: ``digit: 5 → 9 (100 %)``. Empty for other tasks."""
    from mtl_core.tasks import TASK_KINDS

    if task is None:
        return {}
    kind, predictions, told = TASK_KINDS.load(task.kind), pictures.arrays(epoch)[task.name], {}
    for number in members:
        image, target = pictures.image(number), tr("no target")
        if found["labelled"][task.name][number]:
            target = kind.draw_target(image, found["targets"][task.name][number], task, 1).caption
        told[number] = f"{task.name}: {target} → {kind.draw_prediction(image, predictions[number], task, 1).caption}"
    return told


def _shown(found: dict[str, Any], number: int, sort_by: str, told: Mapping[int, str]) -> dict[str, str]:
    """What stands below a thumbnail: its number, the error that is sorted by, what was said, and the strongest contradiction."""
    contradictions = _contradictions(found, number)
    more = len(contradictions) - 1
    warning = tr("{first} (and {more} more)", first=contradictions[0], more=more) if more > 0 else "".join(contradictions)
    error = _error(found, number, sort_by) if sort_by in found["errors"] else ""
    return {"head": tr("image {number}", number=number + 1), "error": error, "said": told.get(number, ""), "warning": warning}


def _lines(found: dict[str, Any], number: int, sort_by: str, told: Mapping[int, str]) -> list[str]:
    """All that is known of an image: what was said, the errors with the one that is sorted by first, and the contradictions, the strongest first."""
    errors = [error for task in sorted(found["errors"], key=lambda task: task != sort_by) if (error := _error(found, number, task))]
    first = " · ".join(filter(None, (tr("image {number}", number=number + 1), told.get(number))))
    return [first, *([tr("error: {errors}", errors=" · ".join(errors))] if errors else []), *_contradictions(found, number)]


def _error(found: dict[str, Any], number: int, task: str) -> str:
    """A task's error on an image, such as ``slant 2.000 degrees``; empty where it has none."""
    each = found["errors"][task]
    value = float(each["values"][number])
    return f"{task} {measured(value)} {tr(each['unit'])}".strip() if np.isfinite(value) else ""


def _contradictions(found: dict[str, Any], number: int) -> list[str]:
    checks = sorted(found["checks"].values(), key=lambda check: -np.nan_to_num(check.values[number]))
    return [check.say(number) for check in checks if np.nan_to_num(check.values[number]) >= DISAGREES_FROM]


def _sprite(pictures: Any, found: dict[str, Any], members: list[int], task: Task, epoch: int) -> tuple[bytes, str]:
    """One PNG with target and prediction of each image side by side, and the proportions of a pair; the image alone where nothing is drawn."""
    arrays = pictures.arrays(epoch)
    height, width = pictures.image(members[0]).shape[:2]
    scale, step = max(1, TILE_PIXELS // max(height, width)), max(1, max(height, width) // (2 * TILE_PIXELS))
    rows, gap = -(-len(members) // COLUMNS), 2
    tile_height, tile_width = len(range(0, height * scale, step)), len(range(0, width * scale, step))
    place_width = tile_width if _is_said(task) else 2 * tile_width + gap
    sheet = np.zeros((rows * tile_height, COLUMNS * place_width, 4), dtype=np.uint8)
    for place, number in enumerate(members):
        pair = [enlarge(pictures.seen(task.name, number), scale)] if _is_said(task) else _pair(pictures, found, task, number, arrays, scale)
        top, left = place // COLUMNS * tile_height, place % COLUMNS * place_width
        for side, picture in enumerate(pair):
            start = left + side * (tile_width + gap)
            sheet[top : top + tile_height, start : start + tile_width] = np.dstack(
                [picture[::step, ::step], np.full((tile_height, tile_width), 255, np.uint8)]
            )
    return png(sheet), f"{place_width} / {tile_height}"


def _pair(pictures: Any, found: dict[str, Any], task: Task, number: int, arrays: Mapping[str, np.ndarray], scale: int) -> list[np.ndarray]:
    """One image with a task's target (without any where it lacks it), and with its prediction."""
    from mtl_core.tasks import TASK_KINDS

    kind, image, prediction = TASK_KINDS.load(task.kind), pictures.seen(task.name, number), arrays[task.name][number]
    target = enlarge(image, scale)
    if task.name in found["labelled"] and found["labelled"][task.name][number]:
        row = found["targets"][task.name][number]
        target = kind.draw_target(image, row, for_thumbnails(task, row), scale).image
    return [target, kind.draw_prediction(image, prediction, for_thumbnails(task, prediction), scale).image]


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    here = Path(__file__).with_name("error_gallery.js")
    return component(
        "error_gallery",
        html='<div class="gallery"></div>',
        css=here.with_suffix(".css").read_text(encoding="utf-8"),
        js=here.read_text(encoding="utf-8"),
        isolate_styles=False,
    )
