"""What a prediction of the run's network costs, measured on this machine on request: the shared network against one network per task."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import kept_checkpoints
from ui.shell import page_jobs, words
from ui.shell.error_boundary import worded
from ui.shell.page_address import rerun_page
from ui.shell.state import run_store, torch_is_ready

BATCHES = (1, 4, 16, 64)
POLL_SECONDS = 1.0
TOGETHER = mark("one network per task, all of them")


def cost_tab(store: RunStore, run: Any) -> None:
    """Draw the choice of device and batch, the button, the progress, and the result."""
    st.markdown(tr("**Cost of a prediction** :gray[one shared network against one network per task]"))
    if not any(checkpoint.is_best for checkpoint in kept_checkpoints(store.folder(run.id))):
        coming = mark("It can be measured when the run has a checkpoint, which is after its first epoch.")
        st.caption(tr(mark("It cannot be measured: the run has ended and has no checkpoint.") if run.status.is_ended() else coming))
        return
    state = page_jobs.state_of(job_key(run.id))
    if state is not None and not state["done"]:
        st.fragment(_progress, run_every=POLL_SECONDS)(run.id)
        return
    if not torch_is_ready():
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        device = st.selectbox(tr("Device"), _devices(), key=f"cost.device.{run.id}", width=150)
        batch = st.selectbox(tr("Images in a batch"), BATCHES, key=f"cost.batch.{run.id}", width=150)
        label = tr("Measure") if state is None else tr("Measure again")
        st.button(label, icon=":material/speed:", key=f"cost.measure.{run.id}", on_click=_begin, args=(run.id, device, batch))
    if state is not None and state["error"]:
        st.warning(tr("The measurement failed: {error}", error=words.plain(tr(state["error"]))), icon=":material/error:")
    elif state is not None and state["result"]:
        _result(state["result"])


def job_key(run_id: str) -> str:
    """Key of the run's measurement among the jobs of pages."""
    return f"cost/{run_id}"


def _devices() -> list[str]:
    import torch

    return ["cpu", *(["cuda"] if torch.cuda.is_available() else []), *(["mps"] if torch.backends.mps.is_available() else [])]


def _begin(run_id: str, device: str, batch: int) -> None:
    home = run_store().home.as_posix()

    def work(progress: page_jobs.Progress, cancelled: Any) -> dict[str, Any]:
        from mtl_core.inference.inference_cost import measure_cost
        from mtl_core.inference.loading import load

        return measure_cost(load(run_id, "best", device=device, home=home), batch, progress=progress).to_dict()

    page_jobs.begin(job_key(run_id), work)


@worded
def _progress(run_id: str) -> None:
    state = page_jobs.state_of(job_key(run_id))
    if state is None or state["done"]:
        rerun_page()
    with st.container(horizontal=True, vertical_alignment="center"):
        now = words.plain(tr(state["text"])) or tr("the network is loaded")
        st.progress(min(1.0, state["share"]), text=tr("Measuring: {now}", now=now), width=420)
        st.button(tr("Cancel"), icon=":material/close:", key=f"cost.cancel.{run_id}", on_click=page_jobs.cancel, args=(job_key(run_id),))


def _result(found: dict[str, Any]) -> None:
    st.dataframe(table_of(found), hide_index=True, height="content")
    shared, together = found["shared"], found["together"]
    images = tr("1 image") if found["batch_size"] == 1 else tr("a batch of {batch_size} images", batch_size=found["batch_size"])
    st.markdown(
        tr(
            "The shared network needs **{milliseconds:.0%}** of the time and **{parameters:.0%}** of the parameters of one network per task.",
            milliseconds=shared["milliseconds"] / max(together["milliseconds"], 1e-9),
            parameters=shared["parameters"] / max(together["parameters"], 1),
        )
    )
    st.caption(
        tr(
            "Measured here, on {device_name}: a forward pass of {images}, the median of {rounds} alternating rounds, without "
            "reading and decoding. It varies while the machine does other work, such as training. Multiply-adds are for one image, "
            "in convolutions and matrix products. Memory: parameters in float32 and the tensors that live at the same moment; for "
            "all networks, their parameters and the largest pass. A network per task is what this network computes for that task "
            "alone; a smaller one may be enough for its task.",
            device_name=words.plain(found["device_name"]),
            images=images,
            rounds=found["rounds"],
        )
    )


def table_of(found: dict[str, Any]) -> pd.DataFrame:
    """The measurement as a table, a row for the shared network, for each task alone, and for all of these together."""
    costs = {tr("the shared network, every task"): found["shared"], **{tr("{task} alone", task=task): cost for task, cost in found["alone"].items()}}
    costs[tr(TOGETHER)] = found["together"]
    return pd.DataFrame(
        [
            {
                tr("network"): name,
                tr("parameters"): words.count(cost["parameters"]),
                tr("multiply-adds"): words.count(cost["multiply_adds"]),
                tr("milliseconds"): words.three_digits(cost["milliseconds"]),
                tr("memory"): words.size(cost["memory"]),
            }
            for name, cost in costs.items()
        ]
    )
