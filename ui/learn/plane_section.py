"""The plane: balancing methods move points over two losses of two parameters, side by side."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from mtl_core.balancing import BALANCERS, SHOWN_FIRST
from mtl_core.figures.colours import run_styles
from mtl_core.figures.plane_charts import Arrows, Path, losses_figure, plane_figure
from mtl_core.language import HalfUp, mark, tr
from mtl_core.plane import LANDSCAPES
from mtl_core.plane.landscape import Landscape
from mtl_core.plane.walk import Walk
from ui.drawing.plotly_chart import plot, prepared
from ui.shell.error_boundary import worded
from ui.shell.form_editions import form_key, key_for
from ui.shell.model_forms import describe
from ui.shell.page_address import rerun_page
from ui.shell.words import text_of, translated

GRID = 81  # points of the contours to a side
AT_ONCE = {mark("1 step"): 1, mark("5 steps"): 5, mark("20 steps"): 20, mark("100 steps"): 100, mark("500 steps"): 500}
# A click answers within 100 ms (benchmarks/published/plane.py); a picture may take longer.
PLAY_CLICKS = 4  # Play takes the steps of so many clicks at a time
MOST_STEPS = 5000
PLAY_SECONDS = 0.6
MOST_METHODS = 6
DECADES = 100  # a slider whose upper bound is this many times the lower one is logarithmic
OPTIMIZERS = {"adam": "Adam", "sgd": mark("Plain gradient descent")}
_WALKS, _START, _PLAYING = "plane.walks", "plane.start", "plane.playing"
_START_SHOWN = "plane.start.shown"
_BEGUN_ANEW = "plane.begun_anew"  # whether a change of a setting took the methods back to the start


def draw_plane() -> None:
    """Draw the section; while it plays, it moves on by itself."""
    st.markdown(
        tr(
            "Two parameters, two tasks, each with a loss. A method sees only the two **gradients** at its point and decides where to go. "
            "Where the gradients point against each other they **conflict**: what helps one task hurts the other. On the grey "
            "**front** no step helps both. Click anywhere in the plane to start there, or type the start. "
            "The methods are the ones that train networks here."
        )
    )
    playing = st.session_state.get(_PLAYING, False)
    st.fragment(_draw, run_every=PLAY_SECONDS if playing else None)()


@worded
def _draw() -> None:
    controls, pictures = st.columns([1, 3], gap="medium")
    with controls:
        landscape = _landscape()
        chosen = _chosen_methods()
        optimizer = (
            st.segmented_control(tr("Optimizer"), list(OPTIMIZERS), default="adam", format_func=translated(OPTIMIZERS), key="plane.optimizer")
            or "adam"
        )
        rate = st.number_input(
            tr("Length of a step"),
            0.0001,
            10.0,
            landscape.step,
            0.01,
            format="%g",
            key=f"plane.rate.{type(landscape).__name__}",
            persist_state="session",
        )
        amount = AT_ONCE[st.selectbox(tr("Steps at once"), list(AT_ONCE), index=1, format_func=tr, key="plane.amount")]
        _start_fields(landscape)
    walks = _walks(landscape, chosen, optimizer, rate)
    with controls:
        _buttons(walks, amount)
    if st.session_state.get(_PLAYING):
        _advance(walks, PLAY_CLICKS * amount)
        if all(walk.stopped or len(walk.points) > MOST_STEPS for walk in walks.values()):
            st.session_state[_PLAYING] = False
            rerun_page()
    with pictures:
        _pictures(landscape, walks)


def _landscape() -> Landscape:
    titles = {name: tr(LANDSCAPES.load(name).title) for name in LANDSCAPES}
    name = st.segmented_control(tr("Landscape"), list(titles), default=next(iter(titles)), format_func=text_of(titles), key="plane.landscape")
    chosen = LANDSCAPES.load(name or next(iter(titles)))
    source = f" [{chosen.paper.authors} {chosen.paper.year}]({chosen.paper.url})." if chosen.paper else ""
    st.caption(f"{tr(chosen.summary)}{source}")
    values = {}
    for field in describe(chosen.Options):
        low, high = _bounds(chosen.Options.model_fields[field.name].metadata)
        # The session keeps a value while another landscape is shown.
        about: dict[str, Any] = {"help": field.about, "key": f"plane.option.{field.name}", "persist_state": "session"}
        if low > 0 and high / low >= DECADES:
            steps = logarithmic(low, high, float(field.default))
            values[field.name] = st.select_slider(tr(field.label), steps, float(field.default), format_func="{:g}".format, **about)
        else:
            values[field.name] = st.slider(tr(field.label), low, high, float(field.default), **about)
    return chosen(chosen.Options(**values))


def logarithmic(low: float, high: float, default: float) -> list[float]:
    """1, 2 and 5 times the powers of ten within the bounds, the bounds and the default, in order."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = {float(f"{digit}e{power}") for power in powers for digit in (1, 2, 5)}
    return sorted({low, high, default, *(step for step in steps if low <= step <= high)})


def _bounds(rules: list[Any]) -> tuple[float, float]:
    """Of a slider. Every option of a landscape states both."""
    found = {name: float(getattr(rule, name)) for rule in rules for name in ("ge", "gt", "le") if hasattr(rule, name)}
    return found.get("ge", found.get("gt", 0.0) + 0.01), found["le"]


def _chosen_methods() -> list[str]:
    titles = {name: tr(BALANCERS.load(name).title) for name in BALANCERS}
    shown = st.multiselect(
        tr("Methods"),
        list(titles),
        default=list(SHOWN_FIRST),
        format_func=lambda name: titles[name],
        max_selections=MOST_METHODS,
        key="plane.methods",
        wrap=True,
        placeholder=tr("Choose balancing methods"),
    )
    return list(shown)


def _start_fields(landscape: Landscape) -> None:
    """Draw the start as two numbers: what a click into the plane sets, for the keyboard.

    The start is the default of its fields, and their keys change with a start that was not typed. A browser may miss the script run that sets a value
    in the session. It then shows the field's default and reports it as the viewer's choice.
    """
    start = st.session_state.setdefault(_START, landscape.starts[0])
    typed = st.session_state.get(_START_SHOWN) == start
    chosen = []
    for axis, place in enumerate(st.columns(2)):
        low, high = landscape.bounds[2 * axis : 2 * axis + 2]
        value, name = min(max(float(start[axis]), low), high), f"plane.start.{axis}"
        key = form_key(name, "plane") if typed and value == start[axis] else key_for(name, value, "plane")
        chosen.append(place.number_input(tr("Start, parameter {axis}", axis=axis + 1), low, high, value, step=0.5, format="%.2f", key=key))
    st.session_state[_START] = st.session_state[_START_SHOWN] = (chosen[0], chosen[1])


def _walks(landscape: Landscape, methods: list[str], optimizer: str, rate: float) -> dict[str, Walk]:
    """The session's walks: kept while nothing about the plane changes; a method that is added takes as many steps as the others have."""
    start = st.session_state.setdefault(_START, landscape.starts[0])
    setting = json.dumps([type(landscape).__name__, landscape.options.model_dump(), list(start), optimizer, rate])
    kept = st.session_state.get(_WALKS, {})
    known: dict[str, Walk] = kept.get("walks", {}) if kept.get("setting") == setting else {}
    steps = max((len(walk.points) - 1 for walk in known.values()), default=0)
    if kept.get("walks") and not known and any(len(walk.points) > 1 for walk in kept["walks"].values()):
        st.session_state[_BEGUN_ANEW] = True
    walks = {}
    for name in methods:
        if name not in known:
            known[name] = Walk(landscape, name, start, optimizer=optimizer, step=rate)
            known[name].advance(steps)
        walks[name] = known[name]
    st.session_state[_WALKS] = {"setting": setting, "walks": walks}
    return walks


def _buttons(walks: dict[str, Walk], amount: int) -> None:
    step, play, reset = st.columns(3)
    step.button(tr("Step"), on_click=_advance, args=(walks, amount), disabled=not walks, width="stretch", key="plane.step")
    playing = st.session_state.get(_PLAYING, False)
    about = tr("Takes four times as many steps at once, again and again")
    if play.button(tr("Pause") if playing else tr("Play"), disabled=not walks, width="stretch", key="plane.play", help=about):
        st.session_state[_PLAYING] = not playing
        rerun_page()
    reset.button(tr("Reset"), on_click=_reset, width="stretch", key="plane.reset", help=tr("Back to the start"))
    taken = max((len(walk.points) - 1 for walk in walks.values()), default=0)
    st.caption(tr("{taken:,} {taken:step|steps} taken", taken=taken))
    if taken:
        st.session_state.pop(_BEGUN_ANEW, None)
    elif st.session_state.get(_BEGUN_ANEW):
        st.caption(tr("A setting was changed, so the methods are back at the start."))


def _advance(walks: dict[str, Walk], amount: int) -> None:
    for walk in walks.values():
        walk.advance(min(amount, MOST_STEPS + 1 - len(walk.points)))


def _reset() -> None:
    st.session_state.pop(_WALKS, None)
    st.session_state.pop(_BEGUN_ANEW, None)
    st.session_state[_PLAYING] = False


def _pictures(landscape: Landscape, walks: dict[str, Walk]) -> None:
    styles = run_styles(list(walks))
    titles = {name: tr(BALANCERS.load(name).title) for name in walks}
    paths = [Path(titles[name], *styles[name], np.array(walk.points), np.array(walk.losses)) for name, walk in walks.items()]
    front = landscape.front()
    plane, losses = st.columns([3, 2], gap="small")
    with plane:
        arrows = _arrows(landscape, walks, titles, styles)
        figure = plane_figure(_grid(type(landscape), landscape.options.model_dump_json()), front, paths, st.session_state[_START], arrows)
        about = tr(
            "The plane with {methods} {methods:method|methods} after {steps} {steps:step|steps}",
            methods=len(walks),
            steps=max((len(walk.points) - 1 for walk in walks.values()), default=0),
        )
        clicked = plot(prepared(figure, about), key="plane.chart", clicks=True)
        if clicked and clicked.get("x") is not None:
            st.session_state[_START] = (float(clicked["x"]), float(clicked["y"]))
            _reset()
            st.rerun(scope="fragment")
    with losses:
        with torch.no_grad():
            of_front = landscape.losses(torch.as_tensor(front, dtype=torch.float32)).numpy() if len(front) else front
        plot(prepared(losses_figure(of_front, paths), tr("Both losses of every method")), key="plane.losses")
    _table(landscape, walks, titles)


@st.cache_data(show_spinner=False, max_entries=32)
def _grid(landscape: type[Landscape], options: str) -> Any:
    return landscape(landscape.Options.model_validate_json(options)).grid(GRID)


def _arrows(landscape: Landscape, walks: dict[str, Walk], titles: dict[str, str], styles: dict[str, tuple[str, str]]) -> Arrows | None:
    """Where the first method goes next: descent of both losses, and the step that it last took."""
    name = next(iter(walks), None)
    if name is None or len(walks[name].points) < 2:
        return None
    before, point = np.array(walks[name].points[-2]), walks[name].points[-1]
    return Arrows(point, -landscape.gradients(point), np.array(point) - before, titles[name], styles[name][0])


def _table(landscape: Landscape, walks: dict[str, Walk], titles: dict[str, str]) -> None:
    note, rows = tr("note"), []
    for name, walk in walks.items():
        first, second = landscape.gradients(walk.points[-1])
        lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
        rows.append(
            {
                tr("method"): titles[name],
                tr("first loss ↓"): walk.losses[-1][0],
                tr("second loss ↓"): walk.losses[-1][1],
                tr("cosine of the gradients"): float(first @ second) / lengths if lengths > 0 else float("nan"),
                tr("weights of the last step"): " : ".join(f"{HalfUp(value):.2g}" for value in walk.coefficients[-1]) if walk.coefficients else "",
                note: tr(walk.stopped),
            }
        )
    if rows:
        table = pd.DataFrame(rows)
        digits = {
            name: st.column_config.NumberColumn(format="%.3f") for name in (tr("first loss ↓"), tr("second loss ↓"), tr("cosine of the gradients"))
        }
        st.dataframe(table if table[note].any() else table.drop(columns=note), hide_index=True, width="stretch", column_config=digits)
        st.caption(
            tr(
                "A cosine below 0 is a conflict; at -1 the gradients point in opposite directions. Thin arrows: descent of the first "
                "loss (violet) and the second (olive) for {method}, the thick one is the step that it took. The longest has a fixed "
                "length.",
                method=next(iter(titles.values())),
            )
        )
