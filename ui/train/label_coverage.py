"""The coverage panel: which images are labelled for which task."""

from __future__ import annotations

import html

import numpy as np
import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.data.dataset import PreparedData
from mtl_core.data.partition import labelled_by_task
from mtl_core.figures.colours import task_colours
from mtl_core.language import tr

CELLS = 60  # images shown, evenly spaced


def coverage_panel(data: PreparedData, config: RunConfig) -> None:
    """Draw, per task, how many images of each split have its target under the config's partition, and a strip of evenly spaced training images."""
    fractions = {name: task.label_fraction for name, task in config.tasks.items() if name in data.tasks}
    flags = {split: labelled_by_task(data, split, config.data.partition, fractions) for split in ("train", "val", "test")}
    if all(bool(each.all()) for tasks in flags.values() for each in tasks.values()):
        st.caption(tr("Every image is labelled for every task."))
        return
    colours = task_colours([*data.tasks])
    rows = "".join(_row(name, {split: tasks[name] for split, tasks in flags.items()}, colours[name]) for name in fractions)
    st.html(
        f'<div style="font-size:.875rem"><b>{tr("Labelled images")}</b>'
        '<table style="width:100%;border-collapse:collapse;margin-top:.25rem;font-variant-numeric:tabular-nums">'
        f'<tr class="faint" style="text-align:right"><td></td><td></td><td>{tr("train")}</td><td>{tr("val")}</td><td>{tr("test")}</td></tr>'
        f"{rows}</table></div>"
    )
    count = min(CELLS, len(data.train))
    st.caption(tr("Each column is one of {count} of {train:,} training images, evenly spaced. Pale: no label.", count=count, train=len(data.train)))


def _row(name: str, flags: dict[str, np.ndarray], colour: str) -> str:
    train = flags["train"]
    shown = train[np.linspace(0, len(train) - 1, min(CELLS, len(train))).round().astype(int)]
    cells = "".join(f'<i style="flex:1;background:{colour if known else "rgba(128,128,128,.18)"}"></i>' for known in shown)
    numbers = "".join(
        f'<td style="text-align:right;white-space:nowrap;padding-left:.6rem" title="{tr("of {count:,}", count=len(each))}">{int(each.sum()):,}</td>'
        for each in flags.values()
    )
    return (
        f'<tr><td style="white-space:nowrap;padding-right:.6rem">{html.escape(name)}</td>'
        f'<td style="width:60%"><div style="display:flex;gap:1px;height:.8rem">{cells}</div></td>{numbers}</tr>'
    )
