"""What a run's sharing scheme learns: its matrices after each epoch, with a slider through training."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from mtl_core.analysis.part_words import part_words
from mtl_core.analysis.scalar_rows import ScalarRows
from mtl_core.errors import MTLError
from mtl_core.figures.learnt import learnt_figure
from mtl_core.language import tr
from mtl_core.runs.chosen_sharing import chosen_sharing
from ui.drawing.plotly_chart import plot, prepared
from ui.run.attention_maps import attention_maps
from ui.run.run_actions import clone_of
from ui.shell import words
from ui.shell.state import run_store
from ui.shell.timeline import follow

PREFIX = "sharing/"


def has_learnt(rows: ScalarRows) -> bool:
    """Whether the run's scheme has recorded matrices."""
    return any(key.startswith(PREFIX) for key in rows.keys)


def sharing_panel(run: Any, feed: dict[str, Any]) -> None:
    """Draw the matrices; nothing for a scheme that records none."""
    if not has_learnt(feed["rows"]):
        return
    frame = feed["rows"].frame
    found = frame[frame["key"].str.startswith(PREFIX)]
    with st.container(border=True, key="sharing_learnt"):
        st.markdown(tr("**What the sharing scheme learns** :gray[after each epoch; what depends on the image is a mean over the probe images]"))
        epochs = sorted({round(epoch) for epoch in found["epoch"]})
        if len(epochs) == 1:
            st.caption(tr("After epoch {epoch}", epoch=epochs[0]))
            epoch = epochs[0]
        else:
            epoch = follow(
                f"sharing.epoch.{run.id}",
                epochs,
                tr("Epoch"),
                format_func=lambda epoch: tr("epoch {epoch}", epoch=epoch),
                label_visibility="collapsed",
            )
        shown = found[found["epoch"].round() == epoch]
        parts = shown["key"].str.removeprefix(PREFIX).str.split("/", n=2, expand=True)
        cells = pd.DataFrame({"name": parts[0], "row": parts[1], "column": parts[2], "value": shown["value"].to_numpy()})
        names = list(dict.fromkeys(cells["name"]))
        spans = found["value"].groupby(found["key"].str.removeprefix(PREFIX).str.split("/", n=1).str[0]).agg(["min", "max"])
        places = st.columns(min(3, len(names)))
        for number, name in enumerate(names):
            with places[number % len(places)]:
                title = part_words(name)
                st.caption(words.plain(words.capitalised(title)))
                values, rows, columns = matrix_of(cells[cells["name"] == name])
                span = float(spans.loc[name, "min"]), float(spans.loc[name, "max"])  # type: ignore[arg-type]  # a label of a frame is no plain type
                figure = learnt_figure(values, list(map(part_words, rows)), list(map(part_words, columns)), span)
                plot(prepared(figure, tr("{name} after epoch {epoch}", name=title, epoch=epoch)), key=f"chart.sharing.{number}")
        attention_maps(run, run_store().folder(run.id), epoch)
        _found(run)


def _found(run: Any) -> None:
    """Draw the network that the scheme has found so far, with a button that trains it; nothing for schemes that do not search."""
    try:
        found = chosen_sharing(run_store(), run.id)
    except MTLError:  # no checkpoint yet
        return
    if not found:
        return
    options = tr(", ").join(str(value) or tr("all together") for key, value in found.items() if key != "name")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(tr("Most probable at the last checkpoint: **{options}**", options=words.plain(options)), width="stretch")
        about = tr("Open the Train form with this run's settings and this fixed network, which begins anew.")
        change = f"sharing={json.dumps(found)}"
        st.button(
            tr("Train what was found"), icon=":material/account_tree:", key="sharing.found", help=about, on_click=clone_of, args=(run.id, change)
        )


def matrix_of(cells: pd.DataFrame) -> tuple[np.ndarray, list[str], list[str]]:
    """Values (rows, columns) of the cells, NaN where there is none; the names of the rows and of the columns, in order of appearance."""
    rows, columns = list(dict.fromkeys(cells["row"])), list(dict.fromkeys(cells["column"]))
    values = np.full((len(rows), len(columns)), np.nan)
    for row, column, value in zip(cells["row"], cells["column"], cells["value"], strict=True):
        values[rows.index(row), columns.index(column)] = value
    return values, rows, columns
