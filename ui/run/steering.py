"""Live changes: sliders for the loss weights and a field for the learning rate while a run trains."""

from __future__ import annotations

import html
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from mtl_core.analysis.scalar_rows import Table, scalar_rows
from mtl_core.errors import ConfigError
from mtl_core.figures.sparkline import share_sparkline
from mtl_core.language import tr
from mtl_core.runs import actions
from mtl_core.runs.store import RunStore
from ui.drawing.run_charts import colours_of, one_curve
from ui.shell import words
from ui.shell.element_keys import element_key
from ui.shell.state import hold, run_action

PER_DECADE = (1, 1.2, 1.5, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9)
LOSS_WEIGHTS = (0.0, *(float(f"{step * 10.0**power:.3g}") for power in (-2, -1, 0, 1) for step in PER_DECADE), 100.0)  # 0, then 0.01 to 100
IN_A_ROW = 5
SETTLE_SECONDS = 0.7  # debounce: a moving slider passes through many values; the value at which it rests becomes the change
LAST_STEP = 2**62
_SCRIPT = Path(__file__).with_name("slider_double_click.js")


def steering(store: RunStore, run: Any, frame: Table | None = None) -> None:
    """Draw a slider for each task, with the task's share of the gradient below it, and a field for the learning rate while the run trains.

    Args:
        frame: the run's scalars.
    """
    if not run.status.is_active() or str(run.status) == "stopping" or not run.info:
        st.container()  # what follows keeps its place
        return
    now = _now(store, run)
    colours = colours_of(run.config)
    shares = {} if frame is None else gradient_shares(now.tasks, colours, frame)
    with st.container(border=True, key="steering"):
        _title(run, now)
        fields = len(now.tasks) + 1
        for start in range(0, fields, IN_A_ROW):
            places = st.columns(min(IN_A_ROW, fields), gap="medium", vertical_alignment="bottom")
            for place, number in zip(places, range(start, min(start + IN_A_ROW, fields)), strict=False):
                with place:
                    if number < len(now.tasks):
                        name = list(now.tasks)[number]
                        _loss_weight(run, name, now.tasks[name].loss_weight, colours[name])
                        _gradient_share(shares.get(f"share-{number}"), f"share-{number}")
                    else:
                        _learning_rate(run, now.optimizer.lr)


def _title(run: Any, now: Any) -> None:
    with st.container(key="steering_title", horizontal=True, vertical_alignment="center", gap="small"):
        title = {
            "paused": tr("**Live changes** :gray[take effect when the run resumes. A paused run keeps its device and memory; Stop frees them.]"),
            "pausing": tr(
                "**Live changes** :gray[loss weights, 0 and 0.01 to 100, double click: 1, take effect when the run resumes; below: share of the "
                "gradient, dashed: equal]"
            ),
        }.get(str(run.status))
        now_on = tr(
            "**Live changes** :gray[loss weights, 0 and 0.01 to 100, double click: 1, take effect at the next step; below: share of the gradient, "
            "dashed: equal]"
        )
        st.markdown(title or now_on, width="stretch")
        about = tr("Sets all loss weights to those that the run began with.")
        begun = {name: task.loss_weight for name, task in run.config.tasks.items()}
        moved = {name: begun[name] for name, task in now.tasks.items() if task.loss_weight != begun[name]}
        st.button(
            tr("Reset all"), key=f"steer.{run.id}.reset", type="tertiary", help=about, disabled=not moved, on_click=_reset, args=(run.id, moved)
        )
        key = f"steer-double-{run.id}"
        _double_clicks()(key=key, on_doubled_change=lambda: _set_one(run.id, list(now.tasks), st.session_state[key].get("doubled")))


def _loss_weight(run: Any, task: str, value: float, colour: str) -> None:
    setting = f"tasks.{task}.loss_weight"
    key = _key(run.id, task, value)
    shown = hold(key, float(value))
    label = tr("Loss weight of {task}", task=words.plain(task))
    st.html(f'<div class="steer-name"><span style="color:{colour}">●</span> {html.escape(task)}</div>')
    stops = sorted({*LOSS_WEIGHTS, shown})  # another viewer, a command or the form may have set a weight between two stops
    asked = {"on_change": _take, "args": (run.id, task, setting, key, shown)}
    st.select_slider(label, stops, shown, key=key, label_visibility="collapsed", format_func=lambda weight: f"{weight:g}", **asked)


def _gradient_share(picture: dict[str, str] | None, name: str) -> None:
    """Draw the task's share of the gradient as a small line (an image costs less than a chart); nothing for runs without it."""
    if picture is None:
        return
    told = html.escape(picture["alt"], quote=True)
    st.html(f'<div class="share {name}"><img src="{picture["src"]}" alt="{told}"><span>{picture["text"]}</span></div>')


def gradient_shares(tasks: Collection[str], colours: dict[str, str], frame: Table) -> dict[str, dict[str, str]]:
    """The tasks' shares of the gradient as small pictures, for those that have one: CSS class -> ``src``, ``alt`` and ``text``."""
    found = {}
    for number, task in enumerate(tasks):
        shares = one_curve(frame, f"gradient_share/{task}", task, colours[task], "step").y
        if len(shares):
            said = tr("{task}: {share:.0%} of the gradient", task=task, share=shares[-1])
            found[f"share-{number}"] = {"src": share_sparkline(shares, colours[task], 1 / len(tasks)), "alt": said, "text": f"{shares[-1]:.0%}"}
    return found


def steering_news(store: RunStore, run: Any, frame: Table) -> tuple[Any, ...]:
    """What the sliders depend on: the run's state, the values that were asked for, and whether there are shares of the gradient."""
    if not run.status.is_active():
        return (str(run.status),)
    now = _now(store, run)
    weights = tuple((name, task.loss_weight) for name, task in now.tasks.items())
    has_shares = tuple(scalar_rows(frame).count(f"gradient_share/{name}") > 0 for name in now.tasks)
    return str(run.status), weights, now.optimizer.lr, has_shares


def _reset(run_id: str, weights: dict[str, float]) -> None:
    for task, weight in weights.items():
        _ask(run_id, f"tasks.{task}.loss_weight", weight)


def _set_one(run_id: str, tasks: list[str], doubled: int | None) -> None:
    """Ask for a loss weight of 1 for the task whose slider was clicked twice. ``doubled`` is its place in the row, None for none."""
    if doubled is not None and 0 <= doubled < len(tasks):
        _ask(run_id, f"tasks.{tasks[doubled]}.loss_weight", 1.0)


@st.cache_resource(show_spinner=False)
def _double_clicks() -> Any:
    return component("slider_double_click", html="<span></span>", js=_SCRIPT.read_text(encoding="utf-8"), isolate_styles=False)


def _learning_rate(run: Any, value: float) -> None:
    key = _key(run.id, "", value)
    shown = hold(key, value)
    about = tr("The value at the highest point of the schedule, which scales with it.")
    step = value / 10
    st.number_input(
        tr("Learning rate"), 1e-8, 10.0, shown, step, format="%g", key=key, help=about, on_change=_take, args=(run.id, "", "optimizer.lr", key, shown)
    )


def _take(run_id: str, task: str, setting: str, key: str, shown: float) -> None:
    """Ask the run for a widget's value, unless it is the one that was shown: a browser may report what nobody has moved."""
    value = float(st.session_state[key])
    if value != shown and _ask(run_id, setting, value):
        st.session_state[f"steered.{run_id}.{task}"]["value"] = value


def _ask(run_id: str, setting: str, value: float) -> bool:
    return run_action(run_id, actions.change, setting, value, SETTLE_SECONDS)


def _now(store: RunStore, run: Any) -> Any:
    """The run's config with every change that was asked for by anyone, so that all viewers see one another's changes before the run has them."""
    config = run.config
    for setting, value in actions.asked_changes(store, run.id).items():
        with suppress(ConfigError):  # two changes that were right each by itself; the run's log says which was refused
            config = config.with_change(LAST_STEP, setting, value)
    return config.at_step(LAST_STEP)


def _key(run_id: str, task: str, value: float) -> str:
    """Key of a widget. It changes when somebody else changes the value.

    A browser reports all widgets whenever one is moved. A report of a widget from before the other's change, under its old key, changes nothing.
    """
    known = st.session_state.setdefault(f"steered.{run_id}.{task}", {"value": value, "edition": 0})
    if known["value"] != value:
        known |= {"value": value, "edition": known["edition"] + 1}
    return element_key(f"steer.{run_id}.{known['edition']}", task)
