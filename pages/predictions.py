"""Predictions: the images of a run sorted by error, one image enlarged at any epoch, and the user's own image."""

from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from ui.drawing.contact_sheets import epoch_slider
from ui.predictions.chosen_network import network_choice
from ui.predictions.error_gallery import error_gallery
from ui.predictions.image_source import PROBE, SPLITS, pictures_of, tasks_of
from ui.predictions.own_image import own_image, way_to_an_image
from ui.predictions.sample_view import sample_view, second_run
from ui.shell.error_boundary import run_inside_app
from ui.shell.page_address import set_address
from ui.shell.run_picker import asked_run, box_width, no_runs, no_such_run, run_picker
from ui.shell.state import hold, hold_first, is_choice, listing_with, run_store, torch_is_ready
from ui.shell.timeline import chosen_moment
from ui.shell.words import plain, translated

VIEWS = {"gallery": mark("Gallery"), "sample": mark("One image"), "own": mark("Your image")}


def main() -> None:
    if not run_store().count():
        st.title(tr("Predictions"), anchor=False)
        no_runs(tr("A run's predictions on a fixed set of images, after each epoch, appear here."))
        return
    run_id = asked_run(run_store())
    if run_id is None:
        st.title(tr("Predictions"), anchor=False)
        no_such_run(run_store())
        return
    with st.container(gap="xxsmall"):  # little between the lines, so that the pictures begin high on the page
        _show(run_store().get(run_id))


def _show(run) -> None:
    view, source, way = "", PROBE, ""
    has_predictions = bool(run.info) and pictures_of(run, PROBE) is not None
    with st.container(key="predictions_head", horizontal=True, vertical_alignment="center", gap="small"):
        st.title(tr("Predictions"), anchor=False, width="content")
        if not run_picker(listing_with(run), run.id):
            st.markdown(tr("of **{name}**", name=plain(shown_name(run))), width="content")
        if has_predictions:
            view = _view(run.id)
            if view != "own":
                source = _source(run.id)
                if source != PROBE:
                    network_choice(run)
            if view == "sample":
                second_run(run)
    if view == "own":
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):  # in the line above they would cut the run's name
            way = way_to_an_image()
            network_choice(run)
    if not has_predictions:
        ended = mark("{name} has no predictions: the run ended before the first ones were saved.")
        st.info(
            tr(ended if run.status.is_ended() else mark("{name} has no predictions: they appear when training starts."), name=plain(shown_name(run)))
        )
    elif view == "own":
        own_image(run.id, way)
    elif view == "sample":
        sample_view(run.id, source)
    else:
        _gallery(run, source)


def _view(run_id: str) -> str:
    """The chosen view: gallery, one image or the user's own. The address holds it, and a click changes the address."""
    view = "own" if st.query_params.get("view") == "own" else "sample" if "sample" in st.query_params else "gallery"
    key = f"predictions.view.{run_id}"
    hold(key, view)

    def chosen() -> None:
        if not is_choice(key, view):
            return
        picked = st.session_state[key] or view
        order = st.session_state.get("predictions.order")
        sample = str(order[0] if order else 0)
        set_address({"view": "own" if picked == "own" else None, "sample": sample if picked == "sample" else None})

    kept: dict[str, Any] = {"label_visibility": "collapsed", "required": True}
    st.segmented_control(tr("View"), list(VIEWS), default=view, format_func=translated(VIEWS), key=key, on_change=chosen, **kept)
    return view


def _source(run_id: str) -> str:
    asked = st.query_params.get("images", PROBE)
    key = f"predictions.images.{run_id}"
    held = hold_first(key, asked if asked in SPLITS else PROBE)

    def chosen() -> None:
        if not is_choice(key, held):
            return
        st.session_state.pop("predictions.order", None)
        if "sample" in st.query_params:
            set_address({"sample": "0"})

    kept: dict[str, Any] = {"label_visibility": "collapsed", "width": box_width(tr(SPLITS[held]))}
    source = st.selectbox(tr("Images"), list(SPLITS), list(SPLITS).index(held), format_func=translated(SPLITS), key=key, on_change=chosen, **kept)
    set_address({"images": None if source == PROBE else source})
    return source


def _gallery(run, source: str) -> None:
    pictures = pictures_of(run, source)
    if pictures is None or not torch_is_ready():
        return
    epoch, line = pictures.epochs()[-1], st.container(horizontal=True, vertical_alignment="center", gap="medium")
    if source == PROBE:
        with line:
            epoch = _epoch(run, pictures.epochs())
    error_gallery(pictures, tasks_of(run), epoch, key="gallery", line=line)


def _epoch(run, epochs: list[int]) -> int:
    asked = st.query_params.get("epoch", "")
    key = f"predictions.epoch.{run.id}"
    written = f"{key}.written"  # what this page itself put into the address
    if asked != st.session_state.get(written) and asked in map(str, epochs):
        st.session_state[chosen_moment(key)] = int(asked) if int(asked) != epochs[-1] else None
    epoch = epoch_slider(run.id, epochs, key="predictions.epoch", has_ended=run.status.is_ended(), in_line=True)
    st.session_state[written] = str(epoch)
    set_address({"epoch": str(epoch)})
    return epoch


run_inside_app()
main()
