"""The cost receipt of a study: one network against a network for each task at inference, measured on request, beside the verdicts."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.language import tr
from mtl_core.runs.background.command_process import run_command
from mtl_core.studies.answer import Answer
from mtl_core.studies.paper_table import english_cells
from mtl_core.studies.priced_grouping import networks_in
from mtl_core.studies.study_report import signed
from ui.drawing.table_sizes import whole_height
from ui.shell import page_jobs, words
from ui.shell.state import run_store


def cost(answer: Answer) -> None:
    """Draw the button, the progress, and the receipt. Nothing where the study compares single networks."""
    study = answer.study
    if not answer.measured_networks:
        return
    st.subheader(tr("Cost"), anchor=False)
    if answer.whole_seed(answer.measured_networks) is None:
        st.caption(tr("The networks can be measured when one seed has finished in all of them."))
        return
    key = f"receipt.{study.id}"
    job = page_jobs.state_of(key)
    if job is not None and not job["done"]:
        page_jobs.show_progress(key, tr("Measuring the networks"))
        return
    if job is not None and job["error"]:
        st.warning(tr("The measurement failed: {error}", error=words.plain(tr(job["error"]))), icon=":material/error:")
    elif job is not None and job["result"]:
        _receipt(answer, job["result"])
    label = tr("Measure the networks") if job is None else tr("Measure again")
    about = tr("Takes about a minute in a process of its own. Times vary while the machine does other work, such as training.")
    st.button(label, icon=":material/speed:", key=f"measure.{study.id}", help=about, on_click=_begin, args=(key, study.id))


def last_receipt(study_id: str) -> dict[str, Any] | None:
    """The receipt that was measured last since the server's start; None without one."""
    job = page_jobs.state_of(f"receipt.{study_id}")
    return job["result"] if job is not None and job["done"] and not job["error"] else None


def _begin(key: str, study_id: str) -> None:
    store = run_store()
    command = ["study", "cost", study_id, "--json"]
    text = tr("about a minute, in a process of its own")
    page_jobs.begin(key, lambda progress, cancelled: run_command(store, command, "measured the networks", cancelled), text)


def _receipt(answer: Answer, found: dict[str, Any]) -> None:
    shared, apart = found["shared"], found["all_apart"]
    labels = own_labels(answer, found)
    batch = next(iter(shared["torch_ms"]))
    st.markdown(
        tr(
            "One network needs **{torch_ms:.0%}** of the time and **{parameters:.0%}** of the parameters of {label}. {quality}",
            torch_ms=shared["torch_ms"][batch] / max(apart["torch_ms"][batch], 1e-9),
            parameters=shared["parameters"] / max(apart["parameters"], 1),
            label=words.plain(labels[apart["label"]]),
            quality=_quality(answer),
        )
    )
    table = table_of(found, labels)
    st.dataframe(table, hide_index=True, height=whole_height(len(table)))
    if untrained := found.get("untrained"):
        names = words.plain(tr(", ").join(labels[label] for label in untrained))
        st.caption(tr("Not trained by this study, so measured with random values, which changes no cost: {names}.", names=names))
    missing = tr(" No times of ONNX Runtime: {without_onnx}.", without_onnx=words.plain(tr(found["without_onnx"]))) if found["without_onnx"] else ""
    st.caption(
        tr(
            "Seed {seed}, measured here on {device}: the median of a forward pass, the networks in turn, without reading and "
            "suppression of boxes.{missing} Multiply-adds are for one image. Memory: parameters in float32 and the tensors that "
            "live at the same moment; for all networks, their parameters and the largest pass.",
            seed=found["seed"],
            device=words.plain(found["device"]),
            missing=missing,
        )
    )


def table_of(found: dict[str, Any], labels: dict[str, str]) -> pd.DataFrame:
    """A row for the shared network, for each of the others, and for all of these together."""
    rows = []
    for network in (found["shared"], *found["apart"], found["all_apart"], *found.get("others", [])):
        times = {
            _of_images(title, images): words.three_digits(value)
            for title, kind in (("PyTorch", "torch_ms"), ("ONNX", "onnx_ms"))
            for images, value in network[kind].items()
        }
        sizes = {tr("memory"): words.size(network["memory"]), tr("file"): words.size(network["file"])}
        counts = {tr("parameters"): words.count(network["parameters"]), tr("multiply-adds"): words.count(network["multiply_adds"])}
        rows.append({tr("network"): labels[network["label"]], **counts, **sizes, **times})
    return pd.DataFrame(rows).fillna("–")


def own_labels(answer: Answer, found: dict[str, Any]) -> dict[str, str]:
    """The labels of the networks, which were measured by a process that speaks English -> those in the reader's language."""
    english = {cell.key: cell.label for cell in english_cells(answer, with_untrained=True)}
    own = {english[cell.key]: cell.label for cell in (*answer.study.cells, *answer.study.untrained_cells)}
    networks = networks_in(found)
    together = tr("{count} networks", count=len(found["apart"]))
    return {network["label"]: own.get(network["label"]) or network["label"] for network in networks} | {found["all_apart"]["label"]: together}


def _of_images(title: str, images: str) -> str:
    return tr("{title}, 1 image (ms)", title=title) if images == "1" else tr("{title}, {images} images (ms)", title=title, images=images)


def _quality(answer: Answer) -> str:
    """The verdicts of the tasks of the comparison of one network with several, in a sentence."""
    comparison = answer.study.network_comparison
    label = comparison.label if comparison else ""
    said = [
        f"{words.plain(line.task)} {signed(line.verdict.difference.mean, line)} ({tr(str(line.verdict.word))})"
        for line in answer.lines
        if line.label == label and line.task and line.verdict
    ]
    return tr("In quality: {said}.", said=tr(", ").join(said)) if said else ""
