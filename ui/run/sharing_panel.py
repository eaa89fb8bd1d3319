"""What a run's sharing scheme learns: its matrices after each epoch, with a slider through training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from mtl_core.figures.learnt import learnt_figure
from ui.drawing.plotly_chart import plot, prepared
from ui.shell import words
from ui.shell.timeline import follow

PREFIX = "sharing/"


def has_learnt(frame: pd.DataFrame) -> bool:
    """Whether the run's scheme has recorded matrices."""
    return bool(frame["key"].str.startswith(PREFIX).any())


def sharing_panel(run: Any, feed: dict[str, Any]) -> None:
    """Draw the matrices; nothing for a scheme that records none."""
    frame = feed["frame"]
    found = frame[frame["key"].str.startswith(PREFIX)]
    if found.empty:
        return
    with st.container(border=True, key="sharing_learnt"):
        st.markdown("**What the sharing scheme learns** :gray[after each epoch; what depends on the image is a mean over the probe images]")
        epochs = sorted({round(epoch) for epoch in found["epoch"]})
        if len(epochs) == 1:
            st.caption(f"After epoch {epochs[0]}")
            epoch = epochs[0]
        else:
            epoch = follow(f"sharing.epoch.{run.id}", epochs, "Epoch", format_func=lambda epoch: f"epoch {epoch}", label_visibility="collapsed")
        shown = found[found["epoch"].round() == epoch]
        parts = shown["key"].str.removeprefix(PREFIX).str.split("/", n=2, expand=True)
        cells = pd.DataFrame({"name": parts[0], "row": parts[1], "column": parts[2], "value": shown["value"].to_numpy()})
        names = list(dict.fromkeys(cells["name"]))
        places = st.columns(min(3, len(names)))
        for number, name in enumerate(names):
            with places[number % len(places)]:
                st.caption(words.plain(name[:1].upper() + name[1:]))
                values, rows, columns = matrix_of(cells[cells["name"] == name])
                plot(prepared(learnt_figure(values, rows, columns), f"{name} after epoch {epoch}"), key=f"chart.sharing.{number}")


def matrix_of(cells: pd.DataFrame) -> tuple[np.ndarray, list[str], list[str]]:
    """Values (rows, columns) of the cells, NaN where there is none; the names of the rows and of the columns, in order of appearance."""
    rows, columns = list(dict.fromkeys(cells["row"])), list(dict.fromkeys(cells["column"]))
    values = np.full((len(rows), len(columns)), np.nan)
    for row, column, value in zip(cells["row"], cells["column"], cells["value"], strict=True):
        values[rows.index(row), columns.index(column)] = value
    return values, rows, columns
