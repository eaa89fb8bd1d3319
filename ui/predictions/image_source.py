"""Image sources of the Predictions page: the probe set at every epoch, or a split predicted by the chosen checkpoint."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from mtl_core.config_sections import PartConfig
from mtl_core.data import open_source, open_source_of_run
from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import Task
from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.artifacts import probe_epochs
from mtl_core.runs.prediction_timeline import Film
from mtl_core.runs.store import RunStore
from ui.drawing.contact_sheets import task_of
from ui.predictions.chosen_network import network_of
from ui.shell.error_boundary import worded
from ui.shell.page_address import rerun_page
from ui.shell.state import run_store, torch_is_ready
from ui.shell.words import plain
from ui.train.imported_sets import version_of

PROBE = "probe"
SPLITS = {
    PROBE: mark("Probe images of val"),
    "val": mark("Validation split"),
    "train": mark("Training split"),
    "test": mark("Test split"),
}
POLL_SECONDS = 1.0


def tasks_of(run: Any) -> dict[str, Task]:
    """The run's tasks as it recorded them."""
    return {name: task_of(name, info) for name, info in run.info["tasks"].items()}


def film_of(store: RunStore, run: Any) -> Film | None:
    """The probe images with their predictions; None where none are saved yet."""
    if not run.info or not probe_epochs(store.folder(run.id)):
        return None
    with st.spinner(tr("Reading the predictions of every epoch")):
        return _film(store.home.as_posix(), run.id, json.dumps(run.info["tasks"], sort_keys=True))


@st.cache_resource(max_entries=4, show_spinner=False)
def _film(home: str, run_id: str, tasks: str) -> Film:
    film = Film(run_store().folder(run_id), {name: task_of(name, info) for name, info in json.loads(tasks).items()})
    film.epochs()
    return film


def pictures_of(run: Any, source: str) -> Any:
    """The chosen images; None, with the reason and an action on screen, where there are none yet."""
    store = run_store()
    if source == PROBE:
        return film_of(store, run)
    if not torch_is_ready():
        return None
    network, checkpoint = network_of(run)
    if not checkpoint:
        coming = mark("{name} has no checkpoint yet. A split can be predicted after its first epoch.")
        over = mark("{name} has ended and has no checkpoint, so no split can be predicted.")
        st.info(tr(over if run.status.is_ended() else coming, name=plain(shown_name(run))))
        return None
    found = _split_of(store, run, source, checkpoint)
    if found is None:
        _offer(store, run, source, network, checkpoint)
    return found


def _split_of(store: RunStore, run: Any, split: str, checkpoint: str) -> Any:
    """Saved predictions of a split; None where it was not predicted."""
    from mtl_core.inference.split_predictions import open_split

    store.artifacts.bring(run.id, lambda path: path.startswith(f"predictions/{split}_{checkpoint}/"))
    if not (store.folder(run.id) / "predictions" / f"{split}_{checkpoint}").is_dir():
        return None
    with st.spinner(tr("Opening the data")):
        open_source_of_run(run.config, store.folder(run.id))
        data = split_data(
            store.cache.as_posix(), json.dumps(run.config.to_dict()["data"], sort_keys=True), split, version_of(run.config.to_dict()["data"])
        )
    return open_split(store.folder(run.id), split, checkpoint, data, tasks_of(run))


@st.cache_resource(max_entries=6, show_spinner=False)
def split_data(cache: str, data: str, split: str, version: str) -> Any:
    """A split of a run's data, prepared again if the cache has lost it. ``version``: of an imported set."""
    from pathlib import Path

    from mtl_core.data.prepare import prepare

    return prepare(open_source(PartConfig.model_validate(json.loads(data))), Path(cache)).split(split)


def _offer(store: RunStore, run: Any, split: str, network: str, checkpoint: str) -> None:
    from mtl_core.inference import prediction_jobs

    key = f"{store.home}/{run.id}/{split}_{checkpoint}"
    state = prediction_jobs.state_of(key)
    if state and not state["done"]:
        _progress(key)
        return
    if state and state["error"]:
        st.error(tr("The {split} split could not be predicted: {error}", split=tr(split), error=plain(tr(state["error"]))), icon=":material/error:")
    st.info(
        tr(
            "The {split} split has not been predicted with this checkpoint yet. {how_many} The predictions are saved with the run.",
            split=tr(split),
            how_many=_how_many(run, split),
        )
    )
    if split == "test":
        st.caption(tr("Test images measure a run fairly only while no choice depends on them. Do not change settings after looking at them."))
    begin = st.button(tr("Predict the {split} split", split=tr(split)), icon=":material/play_arrow:", key=f"predict.{split}", type="primary")
    if begin:
        prediction_jobs.start(key, lambda progress: _work(store, run, split, network, checkpoint, progress))
        rerun_page()


def _how_many(run: Any, split: str) -> str:
    """How many images would be predicted. Only a part of a large split is."""
    from mtl_core.inference.split_predictions import images_predicted

    count = run.info["images"].get(split, 0)
    chosen = images_predicted(count, tuple(run.info["image_shape"][1:]), len(run.info["tasks"]))
    if chosen == count:
        return tr("It has {count:,} {count:image|images}.", count=count)
    return tr(
        "Of its {count:,} images, {chosen:,} evenly spaced ones are predicted. The run's Evaluation tab measures all of them.",
        count=count,
        chosen=chosen,
    )


def _work(store: RunStore, run: Any, split: str, network: str, checkpoint: str, progress: Progress) -> None:
    from mtl_core.data.prepare import prepare
    from mtl_core.inference.loading import load
    from mtl_core.inference.split_predictions import predict_split

    predictor = load(run.id, network, home=store.home)
    data = prepare(open_source_of_run(run.config, store.folder(run.id)), store.cache, progress).split(split)
    predict_split(predictor, data, split, checkpoint, store.folder(run.id), progress)
    store.artifacts.keep(run.id)


@st.fragment(run_every=POLL_SECONDS)
@worded
def _progress(key: str) -> None:
    from mtl_core.inference import prediction_jobs

    state = prediction_jobs.state_of(key)
    if state is None or state["done"]:
        rerun_page()
    st.progress(state["share"], text=tr(state["text"]))
