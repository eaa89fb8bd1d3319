"""Gradients by hand: two or three gradients are dragged, and every method's update is drawn at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.components.v2 import component

from mtl_core.balancing import BALANCERS, SHOWN_FIRST
from mtl_core.figures.colours import DRAWN_BY_HAND, run_styles
from mtl_core.language import tr
from mtl_core.plane.walk import updates_by_hand
from ui.shell.error_boundary import worded

# The plain sum of these raises the loss of task 2.
BEGIN = {2: [[2.5, 0.5], [-0.8, 0.6]], 3: [[2.5, 0.5], [-0.8, 0.6], [0.3, 1.5]]}
SIDE = 3.0  # of the drawing: gradients have coordinates from -3 to 3
SMALLEST = 0.05  # a gradient's length; one of length 0 has no direction
MOST_METHODS = 8
_KEY = "gradients by hand"


@st.fragment
@worded
def draw_plotter() -> None:
    """Draw the section."""
    st.markdown(
        tr(
            "Each thin arrow is the gradient of one task: its loss grows fastest in that direction. Drag their ends, or select one with Tab and "
            "move it with the arrow keys. The thick arrows are what the methods combine from them. Training moves **against** a combined "
            "gradient. Inside the shaded cone a combined gradient lowers every task's loss; without a cone, no direction does."
        )
    )
    left, right = st.columns([2, 3], gap="large")
    with right:
        tasks = st.segmented_control(tr("Tasks"), [2, 3], default=2, key="by_hand.tasks") or 2
        titles = {name: tr(BALANCERS.load(name).title) for name in BALANCERS}
        methods = st.multiselect(
            tr("Methods"),
            list(titles),
            default=list(SHOWN_FIRST),
            format_func=lambda name: titles[name],
            max_selections=MOST_METHODS,
            key="by_hand.methods",
            wrap=True,
            placeholder=tr("Choose balancing methods"),
        )
    gradients = _gradients(tasks)
    updates = {name: update for name, (update, _) in updates_by_hand(gradients, {name: {} for name in methods}).items()}
    styles = run_styles(methods)
    with left:
        data = {
            "gradients": gradients.tolist(),
            "colours": list(DRAWN_BY_HAND),
            "updates": [{"name": titles[name], "colour": styles[name][0], "vector": update.tolist()} for name, update in updates.items()],
            "side": SIDE,
            "words": {
                "drawing": tr("Gradients of the tasks and the methods' updates"),
                "gradients": [tr("Gradient of task {number}", number=number) for number in range(1, tasks + 1)],
                "tasks": [tr("task {number}", number=number) for number in range(1, tasks + 1)],
            },
        }
        _component()(key=f"{_KEY} {tasks}", data=data, on_gradients_change=lambda: None)
    with right:
        _table(gradients, updates, titles)


def _gradients(tasks: int) -> np.ndarray:
    """(T, 2): as dragged in this session, else as they begin."""
    kept = st.session_state.get(f"{_KEY} {tasks}")
    found = (kept or {}).get("gradients") or BEGIN[tasks]
    values = np.array(found, dtype=float) if np.shape(found) == (tasks, 2) else np.array(BEGIN[tasks])
    values = np.clip(np.nan_to_num(values), -SIDE, SIDE)
    short = np.hypot(values[:, 0], values[:, 1]) < SMALLEST
    values[short] = [SMALLEST, 0.0]
    return values


def _table(gradients: np.ndarray, updates: dict[str, np.ndarray], titles: dict[str, str]) -> None:
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    cosines = [f"{unit[a] @ unit[b]:+.2f}" for a in range(len(unit)) for b in range(a + 1, len(unit))]
    conflict = any(cosine.startswith("-") and cosine != "-0.00" for cosine in cosines)
    st.markdown(
        tr("Cosine of the gradients: **{cosines}**. They conflict.", cosines=", ".join(cosines))
        if conflict
        else tr("Cosine of the gradients: **{cosines}**. They do not conflict.", cosines=", ".join(cosines))
    )
    rows = []
    for name, update in updates.items():
        length = float(np.linalg.norm(update))
        slopes = gradients @ update / max(length, 1e-12)
        row: dict[str, Any] = {tr("method"): titles[name]}
        for number, slope in enumerate(slopes, 1):
            row[tr("task {number}", number=number)] = tr("falls") if slope > 1e-3 else tr("rises") if slope < -1e-3 else tr("stays")
        rows.append({**row, tr("length"): round(length, 2)})
    if rows:
        digits = {tr("length"): st.column_config.NumberColumn(format="%.2f")}
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", column_config=digits)
        st.caption(
            tr(
                "What a small step does to each task's loss. Every loss is 1 and every method takes its first step: "
                "methods that remember earlier steps "
                "or draw at random do something else later."
            )
        )


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    here = Path(__file__)
    return component(
        "gradient_plotter",
        html='<div class="gradient-plotter"></div>',
        css=here.with_suffix(".css").read_text(encoding="utf-8"),
        js=here.with_suffix(".js").read_text(encoding="utf-8"),
        isolate_styles=False,
    )
