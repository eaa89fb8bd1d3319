"""Panels on the tasks' gradients: conflict between pairs of tasks, and each task's share of the gradient."""

from __future__ import annotations

import html
from collections.abc import Hashable
from dataclasses import replace
from itertools import combinations
from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.analysis.conflict_map import conflict_map, most_in_conflict
from mtl_core.analysis.conflict_summary import (
    WHOLE,
    block_titles,
    blocks,
    mean_cosines_at,
    meaning,
    measured_steps,
    reading,
    regions,
    why_no_norms,
    why_none,
)
from mtl_core.analysis.kept_results import Remade
from mtl_core.analysis.scalar_rows import ScalarRows, Table, scalar_rows
from mtl_core.figures.colours import GREY, run_styles
from mtl_core.figures.curves import curve_chart
from mtl_core.figures.matrix import cosine_figure, place_figure
from mtl_core.language import mark, tr
from mtl_core.training import TASK_VECTORS
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.run_charts import View, colours_of, draw_chart, draw_text, one_curve
from ui.run.explain_popover import explain_cosines_of, explain_popover, explain_shares_of
from ui.run.parent_curves import marks_of
from ui.shell.element_keys import element_key
from ui.shell.timeline import follow

ALL_PARTS = ""  # the choice of all parts of a region
MAP = mark("map")  # the choice that shows all layers at once
MOST_NAMED = 10  # pairs in the legend; with more, the names are shown on hover
SHOWN_SENTENCES = 4  # on pairs of tasks; the others are folded


def gradient_panels(run: Any, feed: dict[str, Any], view: View) -> None:
    """Draw the cosines between the tasks' gradients; nothing for a run of one task."""
    if gradients_are_shown(run, feed["rows"]):
        with st.container(border=True, key="conflict"):
            _conflict(run, feed, view)


def ownership_panel(run: Any, feed: dict[str, Any], view: View) -> None:
    """Draw each task's share of the gradient and its norm; nothing for a run of one task."""
    frame = feed["rows"]
    if not gradients_are_shown(run, frame):
        return
    with st.container(border=True, key="ownership"):
        st.markdown(
            tr("**Who owns the shared network** :gray[each task's share of the gradient on the shared parameters]")
            if _shares_parameters(run)
            else tr("**Who owns the shared network** :gray[each task's share of the gradient that reaches the shared features]")
        )
        if has_norms(frame):
            _ownership(run, feed, view)
        else:
            st.caption(tr(why_no_norms(run.config, run.info, frame)))


def gradients_are_shown(run: Any, frame: Table) -> bool:
    """Whether the run's page has panels on the tasks' gradients."""
    if run.config.update.name == TASK_VECTORS:  # no step computes all tasks' gradients at the same weights
        return False
    return len(run.info["tasks"]) >= 2 and (not run.status.is_ended() or has_norms(frame) or bool(blocks(frame)))


def has_norms(frame: Table) -> bool:
    """Whether each task's share of the gradient was recorded."""
    return any(key.startswith("gradient_share/") for key in scalar_rows(frame).keys)


def _conflict(run: Any, feed: dict[str, Any], view: View) -> None:
    frame, tasks = feed["rows"], list(run.info["tasks"])
    st.markdown(tr("**Gradient conflict** :gray[cosine between the tasks' gradients on the shared parameters]"))
    measured_on = blocks(frame)
    if not measured_on:
        st.caption(tr(why_none(run.config, run.info, frame)))
        return
    _cosines_over_time(run, feed, view)
    explain_popover("conflict", explain_cosines_of(frame, tasks))
    draw_text(feed, "conflict-meaning", lambda now: meaning(now, tasks))
    shown = _layers(run, measured_on)
    if not shown:
        _map(run, feed, tasks, measured_on, view)
        return
    _matrix(run, feed, tasks, shown, view)
    draw_text(feed, "conflict-pairs", lambda now: "\n".join(reading(now, tasks)[:SHOWN_SENTENCES]))
    _further_pairs(feed, tasks)
    st.caption(tr("A cosine below 0 means that a step for one task undoes part of a step for the other. The sentences cover all measured steps."))


def _layers(run: Any, measured_on: list[str]) -> list[str]:
    """Draw the choice of the layers: all shared ones, early, middle, late, or the map of all of them, for which the result is empty. The single
    parts of a region are offered on demand."""
    if len(measured_on) <= 2:
        return [WHOLE]
    found, titles = regions(measured_on), block_titles(measured_on)
    kept = {"label_visibility": "collapsed", "required": True}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        key = f"conflict.block.{run.id}"
        offered = [*found, MAP]
        region = st.segmented_control(tr("Layers of the network"), offered, default=offered[0], key=key, format_func=tr, **kept) or offered[0]
        if region == MAP:
            return []
        blocks = found[region]
        if len(blocks) == 1:
            return blocks
        with st.popover(tr("Parts of the network"), icon=":material/account_tree:"):
            titles[ALL_PARTS] = tr("mean of {count} parts", count=len(blocks))
            key = f"conflict.part.{run.id}.{region}"
            part = st.radio(
                tr("Part"), [ALL_PARTS, *blocks], format_func=lambda block: titles.get(block, block), key=key, label_visibility="collapsed"
            )
    return blocks if part == ALL_PARTS else [part]


def _map(run: Any, feed: dict[str, Any], tasks: list[str], measured_on: list[str], view: View) -> None:
    """Draw each pair's mean cosine in each region over the run so far; its parts on demand."""
    found, titles = regions(measured_on), block_titles(measured_on)
    if st.toggle(
        tr("Every part"), key=f"conflict.map.parts.{run.id}", help=tr("A column for each part of the network in place of early, middle and late.")
    ):
        found = {titles.get(block, block): [block] for region in found.values() for block in region}

    def table(rows: ScalarRows) -> pd.DataFrame:
        return conflict_map(rows, tasks, found)

    alt = tr("Mean cosine of each pair of tasks in each place of the network")
    draw_chart(feed, f"conflict_map.{len(found)}", replace(view, height=1.0), lambda rows: place_figure(table(rows)), alt)
    draw_text(feed, "conflict-worst", lambda rows: tr(most_in_conflict(table(rows))))
    st.caption(tr("Mean cosine over the run so far, and the share of its points below 0; the interval of that share is shown on hover."))


def _cosines_over_time(run: Any, feed: dict[str, Any], view: View) -> None:
    """Draw a line for each pair of tasks, with the zero below which the two are in conflict."""
    together = list(combinations(run.info["tasks"], 2))
    styles = run_styles([f"{one}/{other}" for one, other in together])

    def cosines(rows: ScalarRows) -> Any:
        curves = [one_curve(rows, f"conflict/{pair}", _pair(pair), colour, view.axis, dash) for pair, (colour, dash) in styles.items()]
        marks = marks_of(run, rows, view.axis)
        return curve_chart(curves, legend=len(together) <= MOST_NAMED, height=190, marks=marks, zero_line=GREY)

    draw_chart(feed, "conflict_lines", view, cosines, tr("Cosines between the tasks' gradients over time; below 0 two tasks are in conflict"))


def _further_pairs(feed: dict[str, Any], tasks: list[str]) -> None:
    """The sentences on pairs beyond ``SHOWN_SENTENCES``, folded, so that no pair is left out. They and their number change in place."""

    def texts(rows: Table) -> dict[str, str]:
        folded = reading(rows, tasks)[SHOWN_SENTENCES:]
        many = tr("{count} more, from conflicting to aligned pairs", count=len(folded))
        return {"conflict-more": many if len(folded) > 1 else tr("1 more"), "conflict-further": "\n".join(folded)}

    made = Remade(texts)
    drawn = made(feed["rows"])
    if not drawn["conflict-further"]:
        return
    more, further = (f'class="{name}">{html.escape(text)}' for name, text in drawn.items())
    st.html(f'<details class="said"><summary><span {more}</span></summary><div {further}</div></details>')
    if feed.get("page") is not None:
        feed["page"].keep_values(lambda now: {"texts": made(now.feed["rows"])}, {"texts": drawn})


def _matrix(run: Any, feed: dict[str, Any], tasks: list[str], shown: list[str], view: View) -> None:
    """Draw the matrix of cosines at the newest step, which changes in place while the run goes on, or at the one that the viewer chooses."""
    height, steps = 120 + 34 * len(tasks), measured_steps(feed["rows"], shown[0])
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        is_chosen = _is_step_chosen(run, steps)
        if not is_chosen:
            draw_text(feed, "conflict-step", lambda rows: tr("At step {step:,}", step=measured_steps(rows, shown[0])[-1]))
    if is_chosen:
        if feed.get("page") is not None:
            feed["page"].draw_with_rows()  # the slider grows with the steps, and a chart of a newer step must not stand below it
        look: dict[str, Any] = {"format_func": lambda step: tr("step {step:,}", step=step), "label_visibility": "collapsed"}
        step = follow(f"conflict.step.{run.id}", steps, tr("Training step"), **look)
        figure = cosine_figure(mean_cosines_at(feed["rows"], tasks, step, shown), tasks, height=height)
        plot(prepared(figure, tr("Cosines between the tasks' gradients at step {step}", step=step)), key="chart.conflict")
        return

    def newest(rows: ScalarRows) -> Any:
        return cosine_figure(mean_cosines_at(rows, tasks, measured_steps(rows, shown[0])[-1], shown), tasks, height=height)

    alt, place = tr("Cosines between the tasks' gradients at the newest step"), "+".join("whole" if block == WHOLE else block for block in shown)
    draw_chart(feed, element_key("conflict", place), replace(view, height=1.0), newest, alt)


def _is_step_chosen(run: Any, steps: list[int]) -> bool:
    """Whether the matrix has a slider over the measured steps: once there are several, always after the run's end, and before it on demand."""
    if len(steps) == 1:
        return False
    if run.status.is_ended():
        return True
    about = tr("A slider over the measured steps. Without it the newest is shown.")
    return st.toggle(tr("Choose the step"), key=f"conflict.chosen.{run.id}", help=about)


def conflict_news(run: Any, rows: ScalarRows) -> Hashable:
    """What stands in the panel on conflict. Its curves, its matrix and its sentences change in place."""
    measured_on = blocks(rows)
    if not measured_on:
        return (why_none(run.config, run.info, rows),)
    return *measured_on, len(measured_steps(rows)) > 1, len(reading(rows, list(run.info["tasks"]))) > SHOWN_SENTENCES


def ownership_news(run: Any, rows: ScalarRows) -> Hashable:
    """What stands in the panel on each task's share of the gradient."""
    return has_norms(rows) or why_no_norms(run.config, run.info, rows)


def _shares_parameters(run: Any) -> bool:
    """Whether the gradients are those on the shared parameters. Runs of earlier versions do not say it: their tasks shared features."""
    return run.info.get("tasks_share") == "parameters"


def _pair(tasks: str) -> str:
    one, _, other = tasks.partition("/")
    return tr("{one} and {other}", one=one, other=other)


def _ownership(run: Any, feed: dict[str, Any], view: View) -> None:
    colours = colours_of(run.config)

    def shares(rows: ScalarRows) -> Any:
        curves = [one_curve(rows, f"gradient_share/{task}", task, colours[task], view.axis) for task in run.info["tasks"]]
        return curve_chart(curves, smoothing=view.smoothing, legend=True, height=230, marks=marks_of(run, rows, view.axis))

    def norms(rows: ScalarRows) -> Any:
        curves = [one_curve(rows, f"gradient_norm/{task}", task, colours[task], view.axis) for task in run.info["tasks"]]
        return curve_chart(curves, smoothing=view.smoothing, log_y=True, height=170, marks=marks_of(run, rows, view.axis))

    if _shares_parameters(run):
        alts = tr("Share of the gradient on the shared parameters, by task"), tr("Norm of each task's gradient on the shared parameters")
    else:
        alts = (
            tr("Share of the gradient that reaches the shared features, by task"),
            tr("Norm of each task's gradient that reaches the shared features"),
        )
    draw_chart(feed, "gradient_share", view, shares, alts[0])
    st.markdown(tr(":small[:gray[Norm of the gradient, logarithmic]]"))
    draw_chart(feed, "gradient_norm", view, norms, alts[1])
    explain_popover("ownership", explain_shares_of(feed["rows"], list(run.info["tasks"])))
