"""All backbones beside each other on the Train form, for the images and tasks of its settings, measured in a process of its own."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.language import mark, tr
from mtl_core.runs.background.backbone_job import compare
from mtl_core.runs.background.background_jobs import BackgroundJobs
from ui.drawing.network_panel import network_text
from ui.shell import words
from ui.shell.state import run_store, wait_for

_JOBS = BackgroundJobs("backbones", most_kept=8, in_turn=True)
ABOUT = mark(
    "Parameters, multiply-adds, seconds per step on this machine and licences of the weights, for these images and tasks. In a process of its own; "
    "takes about half a minute."
)


def backbone_panel(config: RunConfig) -> None:
    """Draw the button, and the table once it is there. ``config``: of the form; its backbone need not fit."""
    key = f"{run_store().home} {network_text(config, 'batch_size', 'device')}"
    job = _JOBS.state_of(key)
    if job is None:
        click = {"on_click": _begin, "args": (key, config)}
        st.button(tr("Compare all backbones here"), icon=":material/table_chart:", key="backbones", help=tr(ABOUT), **click)
    elif not job["done"]:
        wait_for("work")
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(tr(":material/hourglass_top: Measuring each backbone."), width="stretch")
            st.button(tr("Cancel"), key="backbones.cancel", type="tertiary", disabled=job["cancel"], on_click=_JOBS.cancel, args=(key,))
    elif job["error"]:
        st.error(words.plain(tr(job["error"])), icon=":material/block:")
        st.button(tr("Try again"), icon=":material/refresh:", key="backbones", type="tertiary", on_click=_begin, args=(key, config))
    elif job["cancelled"] or job["result"] is None:
        st.button(tr("Try again"), icon=":material/refresh:", key="backbones", type="tertiary", on_click=_begin, args=(key, config))
    else:
        widths = {name: st.column_config.TextColumn(width="small") for name in (tr("parameters"), tr("multiply-adds"), tr("ms a step"))}
        st.dataframe(backbone_frame(job["result"]), hide_index=True, width="stretch", column_config=widths)
        st.caption(
            tr(
                "Parameters and multiply-adds (one image, forward) are of the backbone alone; milliseconds are of the whole network on a batch of "
                "{batch_size} random images, forward and backward, as fast as this machine is now. A star marks an estimate from fewer images. "
                "Other backbones have their default options.",
                batch_size=job["result"]["batch_size"],
            )
        )


def _begin(key: str, config: RunConfig) -> None:
    store = run_store()
    _JOBS.replace(key, lambda progress, cancelled: compare(store, config, cancelled))


def backbone_frame(found: dict[str, Any]) -> pd.DataFrame:
    """A row for each backbone, from the report of ``mtl backbones --time --json``."""
    rows = [
        {
            tr("backbone"): tr(row["title"]),
            tr("parameters"): _count(row["parameters"]),
            tr("multiply-adds"): _count(row["multiply_adds"]),
            tr("ms a step"): _milliseconds(row, found["batch_size"]),
            tr("published weights"): _weights(row),
            tr("fits"): tr("yes") if not row["problem"] else tr("no: {why}", why=tr(row["problem"])),
        }
        for row in found["backbones"]
    ]
    return pd.DataFrame(rows)


def _count(value: int | None) -> str:
    return "–" if value is None else words.count(value)


def _milliseconds(row: dict[str, Any], batch_size: int) -> str:
    if row["seconds_per_step"] is None:
        return "–"
    return words.three_digits(1000 * row["seconds_per_step"]) + (" *" if row["timed_images"] < batch_size else "")


def _weights(row: dict[str, Any]) -> str:
    if not row["licence"]:
        return tr("none")
    said = tr("{megabytes:.0f} MB, {licence}", megabytes=row["megabytes"], licence=row["licence"])
    return f"{said} · {tr(row['weights_need'])}" if row["weights_need"] else said
