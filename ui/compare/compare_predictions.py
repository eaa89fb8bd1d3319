"""Predictions of the selected runs on the same images, below each other, with one slider through training."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.artifacts import probe_epochs, read_probe_targets
from mtl_core.runs.store import RunStore
from ui.drawing.contact_sheets import epoch_slider, legend, probe_sheet, task_of
from ui.shell import words
from ui.shell.element_keys import element_key
from ui.shell.error_boundary import is_ours
from ui.shell.run_picker import names_apart
from ui.shell.state import hold_first, torch_is_ready

MOST = 6  # runs
LETTERS = 70  # of the name above a run's pictures
IMAGES = 6
SHEET_PIXELS = 900


def predictions(store: RunStore, chosen: list[Any]) -> None:
    """Draw the section. It shows the runs that predicted the same images as the first selected one that has predictions."""
    st.subheader(tr("Predictions on the same images"), anchor=False)
    known = {run.id: epochs for run in chosen if (epochs := probe_epochs(store.folder(run.id)))}
    having = [run for run in chosen if run.id in known and run.info]
    if not having:
        over = all(run.status.is_ended() for run in chosen)
        st.caption(
            tr(mark("None of the selected runs has predictions.") if over else mark("They appear when one of the selected runs has predictions."))
        )
        return
    if not torch_is_ready():
        return
    same, others = same_images(store, having)
    tasks = list(dict.fromkeys(task for run in same for task in run.info["tasks"]))
    with st.container(key="compare_predictions", horizontal=True, vertical_alignment="bottom", gap="medium"):
        shown = hold_first("compare.task", tasks[0], tasks)
        task = st.segmented_control(tr("Task"), tasks, default=shown, key="compare.task", required=True, label_visibility="collapsed") or tasks[0]
    over, every = all(run.status.is_ended() for run in same), sorted({epoch for run in same for epoch in known[run.id]})
    epoch = epoch_slider("-".join(run.id[-4:] for run in same), every, key="compare.epoch", has_ended=over)
    with_task = [run for run in same if task in run.info["tasks"]]
    names = names_apart(with_task, LETTERS)
    for start in range(0, len(with_task[:MOST]), 2):
        for place, run in zip(st.columns(2), with_task[start : min(start + 2, MOST)], strict=False):
            with place.container(border=True, key=element_key("compared", run.id), gap="small"):
                at = nearest(known[run.id], epoch)
                late = tr(" :orange[(its nearest epoch to {epoch})]", epoch=epoch) if at != epoch else ""
                st.markdown(tr("**{name}** :gray[after epoch {at}]{late}", name=words.plain(names[run.id]), at=at, late=late))
                info = run.info["tasks"][task]
                sheet = probe_sheet(store.folder(run.id), at, task, info, columns=IMAGES, rows=1, width=SHEET_PIXELS, text_height=17)
                st.image(
                    sheet,
                    width="stretch",
                    alt=tr("Targets and predictions of {task} by {name} after epoch {at}", task=task, name=names[run.id], at=at),
                )
    if with_task:
        legend(task_of(task, with_task[0].info["tasks"][task]))
    if len(with_task) > MOST:
        st.caption(tr("The first {most} runs are shown.", most=MOST))
    if others:
        left_out = ", ".join(words.plain(shown_name(run)) for run in others)
        st.caption(tr("Not shown, because their images are others (other data, size or number of probe images): {names}.", names=left_out))


def same_images(store: RunStore, runs: list[Any]) -> tuple[list[Any], list[Any]]:
    """The runs whose probe images are those of the first run, and the others."""
    probes = {run.id: _images(store, run) for run in runs}
    first = next((images for images in probes.values() if images is not None), None)
    same = [run for run in runs if first is not None and (images := probes[run.id]) is not None and _shown_alike(first, images)]
    return same or runs[:1], [run for run in runs if run not in (same or runs[:1])]


def _shown_alike(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape[1:] == other.shape[1:] and min(len(one), len(other)) > 0 and np.array_equal(one[:IMAGES], other[:IMAGES])


def _images(store: RunStore, run: Any) -> np.ndarray | None:
    try:
        return read_probe_targets(store.folder(run.id)).images
    except Exception as error:
        if not is_ours(error):
            raise
        return None


def nearest(epochs: list[int], epoch: int) -> int:
    """The last of these epochs up to ``epoch``; the first one if there is none."""
    return max((each for each in epochs if each <= epoch), default=epochs[0])
