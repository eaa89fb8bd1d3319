"""The user's own image: predictions of all tasks of a run, and the time that sharing the backbone saves."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np
import streamlit as st
from streamlit.components.v2 import component

from mtl_core.data.imports.picture_reading import EXTENSIONS
from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from ui.drawing.run_charts import colours_of
from ui.drawing.upload_box import upload_box
from ui.drawing.viewer import sample_json, viewer
from ui.predictions.chosen_network import network_of, network_title
from ui.predictions.image_source import pictures_of, tasks_of
from ui.predictions.sample_view import look_sheet, predictor_of
from ui.predictions.sketch_pad import sketch_pad
from ui.shell.error_boundary import is_ours, worded
from ui.shell.state import run_store, torch_is_ready
from ui.shell.words import plain, three_digits, translated

WAYS = {"file": mark("A file or an example"), "draw": mark("Draw"), "camera": mark("Camera")}
EXAMPLES, THUMBNAIL = 4, 88  # how many; pixels
FITTED = {  # how the network's frame is filled
    "pad": mark("whole, with bars where its proportions differ"),
    "stretch": mark("stretched to fill it"),
    "crop": mark("cut to fill it"),
}
BESIDE = {"draw": (3, 8), "camera": (5, 8)}  # widths of the pad, or the camera's picture, and of the answer
MOST_BYTES = 20 * 2**20
TYPES = [ending.removeprefix(".") for ending in EXTENSIONS]


@st.fragment
@worded
def own_image(run_id: str, way: str) -> None:
    """Draw the choice of an image, in the ``way`` that was chosen, and the predictions on it."""
    run = run_store().get(run_id)
    if not torch_is_ready():
        return
    network, checkpoint = network_of(run)
    if not checkpoint:
        coming = mark("{name} has no checkpoint yet. Predictions are possible after its first epoch.")
        over = mark("{name} has ended and has no checkpoint, so it cannot predict anything.")
        st.info(tr(over if run.status.is_ended() else coming, name=plain(shown_name(run))))
        return
    # The answer stands beside the pad and the camera: below them, the viewer would have to scroll for it.
    given, answer = st.columns(BESIDE[way], gap="medium") if way in BESIDE else (st.container(), st.container())
    with given:
        content, name = _chosen(run, way)
    with answer:
        _answer(run, network, checkpoint, content, name)


def _answer(run: Any, network: str, checkpoint: str, content: Any, name: str) -> None:
    """Draw the predictions on an image, or what appears here before there is one."""
    if content is None:
        st.caption(tr("The run predicts all its tasks on your image. The image stays on the server's machine and is not saved."))
        return
    from mtl_core.inference.image_reading import as_image

    with st.spinner(tr("Loading the network")):
        predictor = predictor_of(run_store().home.as_posix(), run.id, network, checkpoint)
    try:
        image = as_image(content, predictor.levels)
    except Exception as error:
        if not is_ours(error):
            raise
        st.error(f"{plain(name)}: {plain(tr(str(error)))}", icon=":material/broken_image:")
        return
    _predicted(run, predictor, network, image, name)


def way_to_an_image() -> str:
    """Draw the choice of where the image comes from, outside the part that is drawn anew for each image."""
    kept: dict[str, Any] = {"label_visibility": "collapsed", "required": True, "persist_state": "session"}
    return (
        st.segmented_control(tr("Where the image comes from"), list(WAYS), default="file", format_func=translated(WAYS), key="own.way", **kept)
        or "file"
    )


def _chosen(run: Any, way: str) -> tuple[Any, str]:
    """The image chosen last, as bytes or an array, and its name on screen."""
    if way == "draw":
        drawn = sketch_pad("own.sketch")
        return (drawn, tr("The drawing")) if drawn else (None, "")
    if way == "camera":
        taken = st.camera_input(
            tr("A picture from this browser's camera"), key="own.camera", help=tr("Browsers give the camera on localhost or https only.")
        )
        return (taken.getvalue(), tr("The picture from the camera")) if taken is not None else (None, "")
    return _file_or_example(run)


def _file_or_example(run: Any) -> tuple[Any, str]:
    left, right = st.columns([3, 2], gap="large")
    with left:
        about = tr("Drop a file here, choose one, or copy an image and press Ctrl+V.")
        uploaded = upload_box(tr("Your image"), TYPES, "own.upload", 20, help=about)
        pasted = _paste()
    with right:
        pictures = pictures_of(run, "probe")
        if pictures is not None:
            st.caption(tr("Or an image that this run was not trained on:"))
            with st.container(horizontal=True):
                for number in range(min(EXAMPLES, len(pictures))):
                    with st.container(width="content", gap="small"):
                        st.image(pictures.image(number), width=THUMBNAIL, alt=tr("Example {number}", number=number + 1))
                        st.button(tr("Example {number}", number=number + 1), key=f"own.example.{number}", on_click=_take_example, args=(number,))
    if uploaded is not None:
        if st.session_state.get("own.seen") != uploaded.file_id:
            st.session_state["own.seen"] = uploaded.file_id
            st.session_state.pop("own.taken", None)
    elif st.session_state.get("own.seen"):
        st.session_state.pop("own.seen")
    if pasted and pasted != st.session_state.get("own.pasted"):
        st.session_state["own.pasted"] = pasted
        st.session_state["own.taken"] = "paste"
    taken = st.session_state.get("own.taken")
    if taken == "paste" and pasted:
        try:
            return base64.b64decode(pasted.partition(",")[2], validate=True), tr("The pasted image")
        except binascii.Error:
            return None, ""
    if isinstance(taken, int) and pictures is not None and taken < len(pictures):
        return pictures.image(taken), tr("Example {number}", number=taken + 1)
    if uploaded is not None:
        return uploaded.getvalue(), uploaded.name
    return None, ""


def _take_example(number: int) -> None:
    st.session_state["own.taken"] = number


def _paste() -> str:
    """The pasted image as a data URL; empty without one."""
    said = {"offer": tr("Ctrl+V pastes a copied image."), "large": tr("The pasted image is larger than 20 MB."), "done": tr("Pasted.")}
    return (_paste_component()(key="own.paste", on_image_change=lambda: None, data={"most": MOST_BYTES, "words": said}) or {}).get("image") or ""


@st.cache_resource(show_spinner=False)
def _paste_component() -> Any:
    script = """
export default function ({ parentElement, data, setStateValue }) {
  const said = parentElement.querySelector(".paste");
  said.latest = { data, setStateValue };
  if (!said.textContent) said.textContent = data.words.offer;
  if (said.listens) return;
  said.listens = true;
  document.addEventListener("paste", (event) => {
    if (!said.isConnected) return;
    const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
    if (!file) return;
    if (file.size > said.latest.data.most) { said.textContent = said.latest.data.words.large; return; }
    const reader = new FileReader();
    reader.onload = () => { said.textContent = said.latest.data.words.done; said.latest.setStateValue("image", reader.result); };
    reader.readAsDataURL(file);
  });
}"""
    return component(
        "paste_image",
        html='<div class="paste faint" style="font-size:.82rem"></div>',
        js=script,
        isolate_styles=False,
    )


def _predicted(run: Any, predictor: Any, network: str, image: np.ndarray, name: str) -> None:
    from mtl_core.figures.layers import prediction_layer
    from mtl_core.inference.saliency import saliency
    from mtl_core.inference.timing import time_sharing

    tasks = tasks_of(run)
    frame = predictor.framed(image)
    shown = np.repeat(frame, 3 // frame.shape[2], axis=2)
    outputs = predictor.outputs(frame[None])
    decoded = predictor.decode(outputs)
    layers = {}
    for task, prediction in decoded.items():
        candidates = predictor.kinds[task].candidates(outputs[task])
        layers[task] = prediction_layer(tasks[task], shown, prediction[0], None if candidates is None else candidates[0])
    sample = sample_json(0, shown, json.dumps(dict.fromkeys(tasks)), [([0], json.dumps([layers]))])
    sequence = hashlib.sha1(shown.tobytes()).hexdigest()
    height, width = image.shape[:2]
    fitted = fitted_in_words((width, height), (frame.shape[1], frame.shape[0]), predictor.how)
    st.caption(
        tr(
            "{name}: {width} x {height} pixels{fitted}. The network gives a prediction for any image. On an image unlike its "
            "training images, its percentages mean nothing.",
            name=plain(name),
            width=width,
            height=height,
            fitted=fitted,
        )
    )
    viewer(
        sample,
        tasks,
        colours_of(run.config),
        [shown_name(run)],
        key=f"own.viewer.{run.id}",
        sequence=f"own/{sequence}",
        epoch=0,
        with_targets=False,
        single=network_title(network, predictor.description.epoch),
    )
    timed = st.session_state.get("own.timed", {})  # measured once for an image, because the page reruns at each click
    if timed.get("of") != (run.id, sequence):
        timed = st.session_state["own.timed"] = {"of": (run.id, sequence), **asdict(time_sharing(predictor, frame))}
    _times(timed)
    if st.toggle(tr("Show the pixels that each task depends on"), key="own.look"):
        look_sheet(shown, saliency(predictor, frame))


def fitted_in_words(size: tuple[int, int], frame: tuple[int, int], how: str) -> str:
    """How an image (width, height) came into the network's frame; empty where it has its size."""
    if size == frame:
        return ""
    if size[0] * frame[1] == size[1] * frame[0]:  # no way to fill it makes a difference
        return tr(", shown to the network as {width} x {height}", width=frame[0], height=frame[1])
    return tr(", shown to the network as {width} x {height} ({how})", width=frame[0], height=frame[1], how=tr(FITTED[how]))


def _times(times: dict[str, Any]) -> None:
    shared, apart, repeated = *st.columns(2), tr(times["repeated"])
    shared.metric(tr("One {repeated}, every head", repeated=repeated), tr("{duration} ms", duration=three_digits(times["shared_ms"])))
    longer = tr("{apart_ms:.2f} times as long", apart_ms=times["apart_ms"] / times["shared_ms"])
    apart.metric(
        tr("One {repeated} per head", repeated=repeated),
        tr("{duration} ms", duration=three_digits(times["apart_ms"])),
        delta=longer,
        delta_color="off",
    )
    st.caption(
        tr(
            "Time of a forward pass of this image on {device}, without reading and drawing. Left: the {repeated} once with all "
            "{heads} heads. Right: the {repeated} again for each head, as with one network of this size per task; a smaller "
            "network that is enough for its task would be faster. Each value is the median of {rounds} alternating rounds; it "
            "varies while the machine trains.",
            device=times["device"],
            repeated=repeated,
            heads=times["heads"],
            rounds=times["rounds"],
        )
    )
