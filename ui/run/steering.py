"""Live changes: sliders for the loss weights and a field for the learning rate while a run trains."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from mtl_core.runs import actions
from mtl_core.runs.store import RunStore
from ui.drawing.run_charts import colours_of
from ui.shell import words
from ui.shell.state import hold, run_action

HIGHEST_WEIGHT = 10.0  # of the sliders; twice the current weight if that is more
IN_A_ROW = 5
SETTLE_SECONDS = 0.7  # debounce: a moving slider passes through many values; the value at which it rests becomes the change
LAST_STEP = 2**62


def steering(store: RunStore, run: Any) -> None:
    """Draw a slider for each task and a field for the learning rate while the run trains."""
    if not run.status.is_active() or str(run.status) == "stopping" or not run.info:
        return
    now = run.config.at_step(LAST_STEP)
    colours = colours_of(run.config)
    with st.container(border=True, key="steering"):
        st.markdown("**Live changes** :gray[loss weights and learning rate: take effect at the next step; marked on the curves and recorded]")
        fields = len(now.tasks) + 1
        for start in range(0, fields, IN_A_ROW):
            places = st.columns(min(IN_A_ROW, fields), gap="medium", vertical_alignment="bottom")
            for place, number in zip(places, range(start, min(start + IN_A_ROW, fields)), strict=False):
                with place:
                    if number < len(now.tasks):
                        name = list(now.tasks)[number]
                        _loss_weight(run, name, now.tasks[name].loss_weight, colours[name])
                    else:
                        _learning_rate(run, now.optimizer.lr)
        if str(run.status) in ("paused", "pausing"):
            st.caption("The run is paused: a change takes effect when it resumes.")


def _loss_weight(run: Any, task: str, value: float, colour: str) -> None:
    key = f"steer.{run.id}.{task}"
    setting = f"tasks.{task}.loss_weight"
    shown = hold(key, _shown(run, setting, value))
    highest = max(HIGHEST_WEIGHT, 2 * value, shown)
    label = f"Loss weight of {words.plain(task)}"
    st.html(f'<div class="steer-name"><span style="color:{colour}">●</span> {html.escape(task)}</div>')
    st.slider(label, 0.0, float(highest), float(shown), 0.05, key=key, label_visibility="collapsed", on_change=_ask, args=(run.id, setting, key))


def _learning_rate(run: Any, value: float) -> None:
    key = f"steer.{run.id}.lr"
    shown = hold(key, _shown(run, "optimizer.lr", value))
    about = "The value at the highest point of the schedule, which scales with it."
    step = value / 10
    st.number_input("Learning rate", 1e-8, 10.0, shown, step, format="%g", key=key, help=about, on_change=_ask, args=(run.id, "optimizer.lr", key))


def _ask(run_id: str, setting: str, key: str) -> None:
    value = float(st.session_state[key])
    if run_action(run_id, actions.change, setting, value, SETTLE_SECONDS):
        st.session_state.setdefault("steered", {})[f"{run_id} {setting}"] = value


def _shown(run: Any, setting: str, value: float) -> float:
    """The requested value until the run has applied it; afterwards the run's value, which any viewer may have changed."""
    asked = st.session_state.get("steered", {})
    wanted = asked.get(f"{run.id} {setting}")
    if wanted is None or abs(wanted - value) < 1e-12:
        asked.pop(f"{run.id} {setting}", None)
        return value
    return wanted
