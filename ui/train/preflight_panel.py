"""The preflight on the Train form: a few real steps in a process of their own, and what they say about the run."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.language import mark, tr
from mtl_core.runs.background.background_jobs import BackgroundJobs
from mtl_core.runs.background.preflight_job import measure
from mtl_core.training.before_training.expected_time import LONG, expected_seconds
from ui.drawing.network_panel import drawing_job
from ui.shell import words
from ui.shell.state import run_store, wait_for, write
from ui.train import data_form

_JOBS = BackgroundJobs("preflight", most_kept=8, in_turn=True)
ABOUT = mark("A few real steps on a real batch, in a process of their own. No run is made. Takes about half a minute once the data are prepared.")


def preflight_panel(config: RunConfig) -> None:
    """Draw the button, and what the last preflight of this config found. ``config``: valid, and PyTorch is loaded."""
    key = _key(config)
    job = _JOBS.state_of(key)
    if job is None:
        if _is_long(config):
            st.info(
                tr(
                    "This run may take more than a few minutes. A few steps first show how long, and whether anything is "
                    "wrong. Otherwise the run tries "
                    "its first batch itself before it trains, and says in its log what it found."
                ),
                icon=":material/timer:",
            )
        st.button(
            tr("Try a few steps first"), icon=":material/speed:", key="preflight", help=tr(ABOUT), width="stretch", on_click=_begin, args=(config,)
        )
    elif not job["done"]:
        wait_for("work")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(tr(":material/hourglass_top: Trying a few steps. :gray[Data that are not prepared yet are prepared first.]"), width="stretch")
            st.button(tr("Cancel"), key="preflight.cancel", type="tertiary", disabled=job["cancel"], on_click=_JOBS.cancel, args=(key,))
    else:
        with st.container(border=True, key="preflight_report"):
            if job["error"]:
                st.error(words.plain(tr(job["error"])), icon=":material/block:")
            elif job["cancelled"] or job["result"] is None:
                st.caption(tr("The trial was cancelled."))
            else:
                _report(job["result"], config)
            st.button(tr("Try again"), icon=":material/refresh:", key="preflight", type="tertiary", help=tr(ABOUT), on_click=_begin, args=(config,))


def _key(config: RunConfig) -> str:
    """What a report is about. The run's name does not matter, nor do the tasks' loss weights: losses and norms are without them."""
    values = config.to_dict()
    values["tasks"] = {name: {**task, "loss_weight": 1.0} for name, task in values["tasks"].items()}
    return f"{run_store().home} {json.dumps({**values, 'name': ''})}"


def _begin(config: RunConfig) -> None:
    store = run_store()
    _JOBS.replace(_key(config), lambda progress, cancelled: measure(store, config, cancelled))


def _is_long(config: RunConfig) -> bool:
    """Whether the run may train for more than a few minutes; False until the network is measured."""
    source, job = data_form.offered_source(), drawing_job(config)
    if source is None or not job["done"] or not job["result"]:
        return False
    return expected_seconds(sum(part.multiply_adds for part in job["result"]), source.split_sizes()["train"], config) > LONG


def _report(found: dict[str, Any], config: RunConfig) -> None:
    for problem in found["problems"]:
        st.error(words.plain(tr(problem)), icon=":material/error:")
    if not found["problems"]:
        st.markdown(tr(":green[:material/check_circle: Losses and weights are finite, and every task has labels in the first batch.]"))
    places = st.columns(3)
    steps = tr(
        "{steps:,} {steps:step|steps} and {epochs:,} {epochs:evaluation|evaluations}, as fast as this machine is now",
        steps=found["steps"],
        epochs=config.epochs,
    )
    places[0].metric(tr("Training, estimated"), words.about(found["eta_seconds"]), help=steps)
    places[1].metric(
        tr("A step"),
        tr("{milliseconds:,.0f} ms", milliseconds=1000 * found["seconds_per_step"]),
        help=tr("Of {batch_size} {batch_size:image|images}: the fastest of three.", batch_size=found["batch_size"]),
    )
    about = tr(
        "The most that the process held, PyTorch included. Estimated for training alone: {megabytes:,.0f} MB.",
        megabytes=found["estimated_bytes"] / 1e6,
    )
    places[2].metric(tr("Memory"), f"{found['peak_bytes'] / 1e6:,.0f} MB" if found["peak_bytes"] else tr("not known"), help=about)
    st.caption(f"{words.plain(found['device'])}, {found['precision']}, {tr(found['layout'].replace('_', ' '))}")
    st.dataframe(findings(found), hide_index=True, width="stretch")
    weights = suggested(found)
    if weights:
        st.caption(words.plain(tr(found["reason"])))
        taken = all(math.isclose(config.tasks[name].loss_weight, weight) for name, weight in weights.items() if name in config.tasks)
        label = tr("These loss weights are taken") if taken else tr("Take the proposed loss weights")
        st.button(label, icon=":material/balance:", key="preflight.take", disabled=taken, on_click=_take, args=(weights,))


def findings(found: dict[str, Any]) -> pd.DataFrame:
    """A row for each task."""
    rows = [
        {
            tr("task"): name,
            tr("labels in the batch"): tr("{count} of {all}", count=task["labelled"], all=found["batch_size"]),
            tr("loss"): _number(task["loss"]),
            tr("gradient norm"): _number(task["gradient_norm"]),
            tr("proposed loss weight"): _number(task["suggested_weight"]),
        }
        for name, task in found["tasks"].items()
    ]
    return pd.DataFrame(rows)


def suggested(found: dict[str, Any]) -> dict[str, float]:
    """The proposed loss weights, to three digits; empty where nothing is proposed."""
    return {name: float(f"{task['suggested_weight']:.3g}") for name, task in found["tasks"].items() if task["suggested_weight"] is not None}


def _take(weights: dict[str, float]) -> None:
    for name, weight in weights.items():
        write(("tasks", name, "loss_weight"), weight)


def _number(value: float | None) -> str:
    return words.three_digits(value)
