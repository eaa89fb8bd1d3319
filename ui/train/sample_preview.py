"""The preview beside the Train form: a sample with its targets drawn, and the number of parameters."""

from __future__ import annotations

import html
import json
from typing import Any

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.config_sections import AugmentationConfig, PartConfig, PreprocessingConfig
from mtl_core.data import open_source
from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import Task
from mtl_core.data.prepare import prepare
from mtl_core.data.preprocessing.one_sample import OneSample, preprocessed_sample, variants
from mtl_core.data.target_geometry import geometry_of
from mtl_core.errors import ConfigError
from mtl_core.figures.colours import GREY, task_colours
from mtl_core.figures.gallery import Tile, contact_sheet, png
from mtl_core.figures.overlays import enlarge
from mtl_core.figures.picture_font import picture_language
from mtl_core.language import speaking, tr
from mtl_core.runs import jobs
from mtl_core.runs.background.background_jobs import BackgroundJobs
from mtl_core.runs.store import RunStore
from mtl_core.tasks import SELF_SUPERVISED
from ui.drawing.contact_sheets import drawn_and_said, ink, room_for, said
from ui.shell import words
from ui.shell.page_address import rerun_page
from ui.shell.state import first_preset, torch_is_ready, wait_for
from ui.train.imported_sets import version_of
from ui.train.label_coverage import coverage_panel

SPLIT = "train"
STRIPES = f"repeating-linear-gradient(45deg,{GREY} 0 3px,transparent 3px 6px)"  # of what is frozen
FIRST_SAMPLE = 3
SAMPLE_COLUMNS = 3
_JOBS = BackgroundJobs("prepare-sample", most_kept=6)
PATIENCE = 0.3  # seconds that a page waits for data that lie prepared
VARIANTS = 3  # of a sample under augmentation
VARIANT_COLUMNS = 4  # the image and its first targets
SAMPLE_PIXELS = 256  # width of one drawn picture before the browser fits it


def prepare_sample(store: RunStore, settings: dict[str, Any]) -> None:
    """Begin to prepare the data of the form's sample, where they are those of the first preset."""
    if settings["data"] == first_preset().config.to_dict()["data"]:
        _job(store.cache.as_posix(), _text_of(_unprocessed(first_preset().config)))


def sample_panel(store: RunStore, config: RunConfig) -> None:
    """Draw a training image with the targets of the chosen tasks: original, preprocessed and augmented."""
    data = _unprocessed(config)
    job = _prepared(store, data)
    if job is None:
        return
    prepared, tasks = job["result"], [task for task in config.tasks if task in job["result"].tasks]
    count = len(prepared.split(SPLIT))
    number = min(st.session_state.setdefault("sample", FIRST_SAMPLE), count - 1)
    head, button = st.columns([3, 2], vertical_alignment="center")
    head.markdown(tr("**Sample {number}** of {count:,} training {count:image|images}, with every target", number=number + 1, count=count))
    if button.button(tr("Another sample"), icon=":material/shuffle:", width="stretch"):
        st.session_state["sample"] = number = (number + 7) % count
    if not torch_is_ready():
        return
    what = (store.cache.as_posix(), _text_of(data), number, tuple(tasks), ink(), picture_language())
    steps, changes = config.data.preprocessing, config.augmentation
    if tasks:
        _draw_targets(what, steps, changes)
    made = {name: task.options for name, task in config.tasks.items() if name in SELF_SUPERVISED and name not in prepared.tasks}
    if made:
        _draw_self_supervised(what, steps, made)
    if tasks:
        coverage_panel(prepared, config)


def sample_at_hand(store: RunStore, config: RunConfig) -> None:
    """Draw the sample of the Train form while its run is being prepared; nothing where the images are not loaded."""
    data = _unprocessed(config)
    asked = {_text_of(data)} & set(st.session_state.get("data_asked", []))
    if not (asked or _prepares_without_click(data)):
        return
    job = _job(store.cache.as_posix(), _text_of(data))
    if not job["done"] or job["error"] or not jobs.warmed():
        return
    tasks = tuple(task for task in config.tasks if task in job["result"].tasks)
    number = min(st.session_state.get("sample", FIRST_SAMPLE), len(job["result"].split(SPLIT)) - 1)
    if tasks:
        with st.columns(2)[0]:
            what = (store.cache.as_posix(), _text_of(data), number, tasks, ink(), picture_language())
            _draw_targets(what, config.data.preprocessing, AugmentationConfig())


def _draw_targets(what: tuple, steps: PreprocessingConfig, changes: AugmentationConfig) -> None:
    """Draw the sample with the data set's targets, a contact sheet for each stage."""
    shown = [("", PreprocessingConfig(), AugmentationConfig(), tr("One sample with its targets"))]
    if steps.changes_images:
        before, after = tr("Before preprocessing"), tr("After preprocessing, as the network sees it")
        shown = [(before, *shown[0][1:3], before), (after, steps, AugmentationConfig(), after)]
    if changes != AugmentationConfig():
        title = tr("Augmented, {variants} times", variants=VARIANTS)
        shown.append((title, steps, changes, title))
    for title, *how, alternative in shown:
        if title:
            st.caption(title)
        try:
            sheet, pictures, in_words = _sample_sheet(*what, *(part.model_dump_json() for part in how))
            with room_for(pictures, min(SAMPLE_COLUMNS, pictures + 1)):
                st.image(sheet, width="stretch", alt=alternative)
            said(in_words)
        except ConfigError:  # the problems say what is wrong with the settings
            st.caption(tr("No sample can be drawn with these settings."))


def _draw_self_supervised(what: tuple, steps: PreprocessingConfig, made: dict[str, Any]) -> None:
    """Draw the network's input and the target of each self-supervised task."""
    cache, data, number, _, colour, spoken = what
    try:
        sheet = _self_supervised_sheet(cache, data, number, json.dumps(made, sort_keys=True), colour, spoken, steps.model_dump_json())
    except ConfigError:  # the problems say what is wrong with the settings
        return
    if sheet is not None:
        title = tr("Self-supervised tasks: the network's input and the target (random, new at each step)")
        st.caption(title)
        st.image(sheet, width="stretch", alt=title)


def prepared_data(store: RunStore, data: dict[str, Any]) -> Any:
    """The prepared data of a run; None, with the reason on screen, until they are loaded."""
    text = _text_of(data)
    job = _job(store.cache.as_posix(), text)
    job["thread"].join(PATIENCE)
    if not job["done"]:
        st.session_state["preparing"] = [store.cache.as_posix(), text]
        wait_for("data")
        st.caption(tr(":material/hourglass_top: Opening the data. The images appear when this is done."))
    elif job["error"]:
        st.caption(tr(":material/error: No images: {error}", error=words.plain(tr(job["error"]))))
    return job["result"]


def data_progress() -> tuple[float, str] | None:
    """Share (0 to 1) and text of the preparation that this page waits for; None when it is done."""
    job = st.session_state.get("preparing")
    state = _job(job[0], job[1]) if job else None
    return None if state is None or state["done"] else (state["share"], state["text"])


def _prepares_without_click(data: dict[str, Any]) -> bool:
    """Whether the data are prepared without a click: those of the first preset, and those that need no download."""
    return data == _unprocessed(first_preset().config) or "download" not in type(open_source(PartConfig(**data)).options).model_fields


def _prepared(store: RunStore, data: dict[str, Any]) -> dict[str, Any] | None:
    """The finished preparation; None, with the reason on screen, until it is done."""
    text = _text_of(data)
    asked = st.session_state.setdefault("data_asked", [])
    if not _prepares_without_click(data) and text not in asked:
        st.caption(tr("The sample of this data set appears once its images are prepared."))
        if not st.button(tr("Prepare data"), icon=":material/imagesmode:"):
            return None
        asked.append(text)
    job = _job(store.cache.as_posix(), text)
    if not job["done"]:
        st.session_state["preparing"] = [store.cache.as_posix(), text]
        wait_for("data")
        st.caption(tr(":material/hourglass_top: Preparing the data. The sample appears when this is done."))
        return None
    if job["error"]:
        st.caption(tr(":material/error: No sample: {error}", error=words.plain(tr(job["error"]))))
        if st.button(tr("Try again"), icon=":material/refresh:"):
            _JOBS.drop(f"{store.cache.as_posix()} {text}")
            rerun_page()
        return None
    return job


def _unprocessed(config: RunConfig) -> dict[str, Any]:
    """The data set that a config names and its options."""
    return config.data.model_dump(mode="json", exclude={"preprocessing", "partition"})


def _text_of(data: dict[str, Any]) -> str:
    """The data as text, for the keys of what is kept of them, with their version: another set may have the name of one that was deleted."""
    return json.dumps([data, version_of(data)], sort_keys=True)


def _job(cache: str, data: str) -> dict[str, Any]:
    """Preparation in the background, one for all sessions; its result is the prepared data."""
    key = f"{cache} {data}"
    return _JOBS.state_of(key) or _JOBS.start(key, lambda progress, cancelled: _prepare(cache, data, progress))


def _prepare(cache: str, data: str, progress: Progress) -> Any:
    from pathlib import Path

    return prepare(open_source(PartConfig(**json.loads(data)[0])), Path(cache), progress)


@st.cache_data(max_entries=64, show_spinner=False)
def _sample_sheet(
    cache: str, data: str, number: int, tasks: tuple[str, ...], colour: str, spoken: str, steps: str, changes: str
) -> tuple[bytes, int, list[str]]:
    """One sample after preprocessing, its pictures, and the targets that are words only; under augmentation a few of its variants, a row each."""
    prepared = _job(cache, data)["result"]
    chosen = [prepared.tasks[name] for name in tasks]
    augmentation = AugmentationConfig.model_validate_json(changes)
    plain = preprocessed_sample(prepared, number, PreprocessingConfig.model_validate_json(steps))
    if augmentation == AugmentationConfig():
        image, *targets = sample_tiles(plain, chosen, spoken)
        drawn, in_words = drawn_and_said(image, targets)
        tiles = [image, *drawn]
        rows = [("", tiles[start : start + SAMPLE_COLUMNS]) for start in range(0, len(tiles), SAMPLE_COLUMNS)]
    else:
        tiles, in_words = [None] * SAMPLE_COLUMNS, []
        chosen.sort(key=lambda task: geometry_of(task) in ("", "whole", "count"))  # those that move with the image
        drawn = variants(plain, prepared.statistics["mean"], augmentation, VARIANTS, tasks=prepared.tasks)
        rows = [("", sample_tiles(variant, chosen, spoken)[:VARIANT_COLUMNS]) for variant in drawn]
    return png(contact_sheet(rows, ink=colour, text_height=22)), len(tiles), in_words


@st.cache_data(max_entries=64, show_spinner=False)
def _self_supervised_sheet(cache: str, data: str, number: int, made: str, colour: str, spoken: str, steps: str) -> bytes | None:
    """PNG with a row for each self-supervised task that fits the images; None where none does."""
    from mtl_core.tasks.pretext.sample_views import sample_views

    prepared = _job(cache, data)["result"]
    image = preprocessed_sample(prepared, number, PreprocessingConfig.model_validate_json(steps)).image
    mean, std = (_per_channel(prepared.statistics[name], len(image)) for name in ("mean", "std"))
    plain, rows = _rgb(image), []
    scale = max(1, SAMPLE_PIXELS // plain.shape[1])
    for name, view in sample_views(image, mean, std, json.loads(made), seed=number).items():
        with speaking(spoken):
            target = view.kind.draw_target(plain, view.target, view.task, scale)
            gives = tr("target: {target}", target=target.caption) if target.caption else tr("target")
            rows.append((name, [Tile(enlarge(view.image, scale), tr("input")), Tile(target.image, gives)]))
    return png(contact_sheet(rows, ink=colour, text_height=22)) if rows else None


def _per_channel(values: list[float], channels: int) -> list[float]:
    """A per-channel statistic of the original images, for the number of channels after preprocessing."""
    return values if len(values) == channels else [sum(values) / len(values)] * channels


def sample_tiles(sample: OneSample, tasks: list[Task], spoken: str) -> list[Tile]:
    """The image, then one picture for each of its targets. ``spoken``: language of the captions (``picture_language``)."""
    from mtl_core.tasks import TASK_KINDS

    image = _rgb(sample.image)
    scale = max(1, SAMPLE_PIXELS // image.shape[1])
    with speaking(spoken):
        tiles = [Tile(enlarge(image, scale), tr("image"))]
        for task in tasks:
            if sample.labelled[task.target]:
                drawing = TASK_KINDS.load(task.kind).draw_target(image, sample.targets[task.target], task, scale)
                tiles.append(Tile(drawing.image, f"{task.name}: {drawing.caption}" if drawing.caption else task.name))
    return tiles


def _rgb(image: Any) -> Any:
    import numpy as np

    pixels = np.moveaxis(image, 0, -1)
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels)


def parameters_bar(counts: dict[str, Any], all_tasks: list[str]) -> None:
    """Draw the numbers of parameters: shared, per task, and frozen."""
    colours = task_colours(all_tasks)
    parts = [(tr("shared"), counts["shared"], GREY), *((task, number, colours.get(task, GREY)) for task, number in counts["tasks"].items())]
    parts += [(tr("frozen"), counts["frozen"], STRIPES)] if counts.get("frozen") else []
    total = sum(number for _, number, _ in parts) or 1
    bar = "".join(f'<div style="flex:{max(number, total * 0.004)};background:{colour}"></div>' for _, number, colour in parts)
    dot = "display:inline-block;width:.65em;height:.65em;border-radius:50%;background:"
    legend = "".join(
        f'<span style="white-space:nowrap"><i style="{dot}{colour}"></i> {html.escape(name)} {words.count(number)}</span>'
        for name, number, colour in parts
    )
    st.html(
        f'<div style="font-size:.875rem"><b>{tr("{count} parameters", count=words.count(total))}</b>'
        f'<div style="display:flex;gap:2px;height:.5rem;border-radius:4px;overflow:hidden;margin:.35rem 0">{bar}</div>'
        f'<div class="faint" style="display:flex;flex-wrap:wrap;gap:.1rem .9rem">{legend}</div></div>'
    )


@st.cache_data(max_entries=64, show_spinner=False)
def parameter_counts(config_text: str) -> dict[str, Any]:
    """Counts for a config given as JSON; the network is built once per distinct config."""
    from mtl_core.training.check import parameter_counts as count

    return count(RunConfig.from_dict(json.loads(config_text)))
