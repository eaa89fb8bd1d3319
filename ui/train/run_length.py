"""How long a run of the Train form is, in steps, and how often conflict is measured in it."""

from __future__ import annotations

import math

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.language import tr
from ui.shell.state import read, settings, write
from ui.train import clone_and_fork, data_form

MEASUREMENTS = 40  # of conflict in a run: half as many give no narrow interval


def length_in_words() -> str:
    """The epochs in steps; empty where the number is unknown."""
    epochs, each = settings()["epochs"], _steps_of_an_epoch()
    said = [tr("forked after epoch {epoch}", epoch=clone_and_fork.origin()["epoch"])] if clone_and_fork.is_fork() else []
    if each and isinstance(epochs, int):
        said.insert(
            0,
            tr(
                "{epochs:,} {epochs:epoch|epochs} of {each:,} {each:step|steps} = {steps:,} {steps:step|steps}",
                epochs=epochs,
                each=each,
                steps=epochs * each,
            ),
        )
    return " · ".join(said)


def _steps_of_an_epoch() -> int:
    """0 where the number is unknown."""
    source, size = data_form.offered_source(), settings()["batch_size"]
    images = source.split_sizes()["train"] if source is not None else 0
    partition = settings()["data"].get("partition", {})
    known = isinstance(size, int) and 0 < size <= images and partition.get("kind") != "disjoint"
    return images // size if known else 0


def conflict_measurements() -> None:
    """Say how often the gradients' angles are measured in a run of this length, and offer a shorter distance where that is seldom."""
    epochs, every = settings()["epochs"], read(("conflict_every",), RunConfig.model_fields["conflict_every"].default)
    steps = _steps_of_an_epoch() * epochs if isinstance(epochs, int) else 0
    if len(settings()["tasks"]) < 2 or steps <= 0 or not isinstance(every, int) or every <= 0:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            tr(
                "The angles between the tasks' gradients are measured about {count:,} {count:time|times} in this run.", count=math.ceil(steps / every)
            ),
            width="content",
        )
        closer = max(1, steps // MEASUREMENTS)
        if math.ceil(steps / every) < MEASUREMENTS // 2 and closer < every:
            label = tr("Measure every {closer:,} {closer:step|steps}", closer=closer)
            st.button(label, key="measure_closer", type="tertiary", on_click=write, args=(("conflict_every",), closer))
