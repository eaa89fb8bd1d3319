"""The preprocessing view of a data set: an image and its targets before and after, made by the code that training uses."""

from __future__ import annotations

import math
from typing import Any

import streamlit as st

from mtl_core.config_sections import PreprocessingConfig
from mtl_core.data.dataset import PreparedData
from mtl_core.data.preprocessing import DENOISERS
from mtl_core.data.preprocessing.one_sample import OneSample, preprocessed_sample
from mtl_core.errors import ConfigError
from mtl_core.figures.gallery import contact_sheet, png
from mtl_core.figures.picture_font import picture_language
from mtl_core.language import tr
from ui.data.data_sets import DataSet, train_on
from ui.drawing.contact_sheets import drawn_and_said, ink, said
from ui.shell import words
from ui.shell.model_forms import Field, as_kept, as_shown, describe, is_shown
from ui.shell.state import hold, settings, torch_is_ready
from ui.train.sample_preview import SAMPLE_COLUMNS, sample_tiles

KEPT = "data.steps"  # session key of the chosen steps as config values; all data sets share them


def preprocessing_view(entry: DataSet, data: PreparedData) -> None:
    """Draw the steps at the left and one training image before and after them at the right."""
    left, right = st.columns([2, 5], gap="large")
    with left:
        config = _steps()
        st.button(
            tr("Train with these steps"),
            icon=":material/play_arrow:",
            key="data.steps.train",
            on_click=_train,
            args=(entry, config),
            disabled=not config,
        )
        st.caption(tr("A run applies these steps once, when it prepares its data. The data set itself does not change."))
    with right:
        if config is not None and torch_is_ready():
            _before_and_after(data, config)


def _steps() -> PreprocessingConfig | None:
    """Draw a widget for every step. Returns None, with the reason on screen, while a value is invalid."""
    kept = st.session_state.setdefault(KEPT, PreprocessingConfig().model_dump(mode="json"))
    names, widget = list(DENOISERS), "data.steps.denoise"
    place = names.index(hold(widget, kept["denoise"]["name"]))
    st.selectbox(tr("Denoise"), names, place, key=widget, format_func=lambda name: tr(DENOISERS.load(name).title), on_change=_take_denoiser)
    denoiser = DENOISERS.load(kept["denoise"]["name"])
    st.caption(words.plain(tr(denoiser.summary)))
    for field in describe(denoiser.Options):
        _widget(field, "denoise", kept["denoise"])
    fields = describe(PreprocessingConfig)
    values = {field.name: kept.get(field.name, field.default) for field in fields}
    for field in fields:
        if field.name != "standardise" and is_shown(field, values):  # standardising changes the network's input values, not the drawn image
            _widget(field, "", kept)
    try:
        return PreprocessingConfig.model_validate(kept)
    except ValueError as error:
        st.error(words.plain(tr(str(error))), icon=":material/block:")
        return None


def _take_denoiser() -> None:
    st.session_state[KEPT]["denoise"] = {"name": st.session_state["data.steps.denoise"]}


def _widget(field: Field, part: str, values: dict[str, Any]) -> None:
    key = ".".join(filter(None, ("data.steps", part, field.name)))
    value = hold(key, as_shown(field, values.get(field.name, field.default)))

    def take() -> None:
        (st.session_state[KEPT][part] if part else st.session_state[KEPT])[field.name] = as_kept(field, st.session_state[key])

    if field.kind == "choice":
        st.selectbox(field.label, field.choices, field.choices.index(value), key=key, format_func=field.choice_text, help=field.about, on_change=take)
    elif field.kind == "boolean":
        st.toggle(field.label, value, key=key, help=field.about, on_change=take)
    elif field.kind in ("integer", "number"):
        number = int if field.kind == "integer" else float
        low, high = (None if bound is None else number(bound) for bound in (field.low, field.high))
        st.number_input(field.label, low, high, value, key=key, help=field.about, on_change=take)
    else:
        st.text_input(field.label, value, key=key, help=field.about, on_change=take)


def _train(entry: DataSet, config: PreprocessingConfig) -> None:
    train_on(entry.part)
    settings()["data"]["preprocessing"] = config.model_dump(mode="json")


def _before_and_after(data: PreparedData, config: PreprocessingConfig) -> None:
    count = len(data.train)
    number = min(st.session_state.setdefault("data.steps.sample", 0), count - 1)
    head, button = st.columns([3, 2], vertical_alignment="center")
    head.markdown(tr("**Image {number:,}** of {count:,} training {count:image|images}", number=number + 1, count=count))
    button.button(tr("Another image"), icon=":material/shuffle:", key="data.steps.another", on_click=_another, args=(count,))
    try:
        after = preprocessed_sample(data, number, config)
    except ConfigError as error:  # such as an even window of the median
        st.error(words.plain(tr(str(error))), icon=":material/block:")
        return
    _sheet(tr("Before"), tr("Before"), preprocessed_sample(data, number, PreprocessingConfig()), data)
    shown = tr("After, as the network sees it") if config.changes_images else tr("After: unchanged, because no step is chosen")
    _sheet(shown, tr("After"), after, data, with_pictures=config.changes_images)


def _another(count: int) -> None:
    st.session_state["data.steps.sample"] = (st.session_state["data.steps.sample"] + stride(count)) % count


def stride(count: int) -> int:
    """A step size that visits each of ``count`` images before it repeats one."""
    return next(step for step in range(max(1, round(0.38 * count)), count + 1) if math.gcd(step, count) == 1)


def _sheet(title: str, alt: str, sample: OneSample, data: PreparedData, with_pictures: bool = True) -> None:
    channels, height, width = sample.image.shape
    st.caption(
        tr(
            "{title} · {width} x {height} pixels, {colour}",
            title=title,
            width=width,
            height=height,
            colour=tr("grey") if channels == 1 else tr("colour"),
        )
    )
    if not with_pictures:
        return
    tiles = sample_tiles(sample, [task for task in data.tasks.values() if not task.superseded], picture_language())
    drawn, in_words = drawn_and_said(tiles[0], tiles[1:])
    said(in_words)
    tiles = [tiles[0], *drawn]
    rows = [("", tiles[start : start + SAMPLE_COLUMNS]) for start in range(0, len(tiles), SAMPLE_COLUMNS)]
    st.image(png(contact_sheet(rows, ink=ink(), text_height=22)), alt=alt)
