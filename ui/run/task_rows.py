"""The compact view of a run's tasks: the main metric large and the loss small, with one x range for all charts.

CSS puts a task into a row on narrow screens, and up to four tasks beside each other on wide ones (``ui/shell/styles.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from mtl_core.analysis.scalar_rows import ScalarRows, Table, scalar_rows
from mtl_core.figures.curves import curve_chart
from mtl_core.language import tr
from ui.drawing.run_charts import View, colours_of, draw_chart, draw_measured, is_share, panel_style, past_curves, split_curves
from ui.run.parent_curves import marks_of
from ui.shell import words
from ui.shell.element_keys import element_key

METRIC_HEIGHT, LOSS_HEIGHT = 84, 84  # pixels; four rows fit below the state and the sliders on a screen of 900 pixels


def task_rows(run: Any, feed: dict[str, Any], summary: dict[str, dict[str, Any]], views: Mapping[str, View]) -> None:
    """Draw each task with its last and best value, its main metric and its loss. ``views``: task -> its view, in the order on screen."""
    colours, tasks = colours_of(run.config), run.info["tasks"]
    panel_style(tasks, colours)
    with st.container(key="task_rows"):
        for name, view in views.items():
            with st.container(border=True, key=element_key("panel", name), gap="small"):
                _row(run, name, feed, summary, view, colours[name])


def x_range(frame: Table, past: Table, axis: str, per_epoch: float = 0.0) -> tuple[float, float] | None:
    """From the first to the last recorded position, with 0 included; None before there are two positions.

    Args:
        per_epoch: length of an epoch on the axis of a live run, 0 if it has none. From the third epoch on the range ends with the present epoch. So
            a chart of values per epoch changes only with them, and a live page need not draw it anew at each answer. Earlier it would look empty.
    """
    ends = [found for rows in (past, frame) if rows is not None and (found := scalar_rows(rows).ends(axis))]
    if not ends or max(high for _, high in ends) <= 0:
        return None
    last = max(high for _, high in ends)
    if per_epoch and last > 2 * per_epoch:
        last = float(np.ceil(round(last / per_epoch, 6)) * per_epoch)
    return min(0.0, *(low for low, _ in ends)), last


def epoch_length(info: dict[str, Any], axis: str) -> float:
    """The length of an epoch on the axis ``step`` or ``epoch``; 0 on another one."""
    return {"step": float(info.get("steps_per_epoch", 0.0)), "epoch": 1.0}.get(axis, 0.0)


def _row(run: Any, name: str, feed: dict[str, Any], summary: dict[str, dict[str, Any]], view: View, colour: str) -> None:
    info = run.info["tasks"][name]
    main = info["main_metric"]
    metric = info["metrics"][main]
    about = f"{words.with_unit(metric['title'], metric.get('unit', ''))} {words.better(metric['higher_is_better'])}"
    draw_measured(feed, name, about, f"val/{name}/{main}", summary, run.status.is_ended())
    past = feed["past"]  # the shared figures keep the question below: it must not keep the feed, which has the page

    def chart(key: str, **looks: Any) -> Any:
        def build(rows: ScalarRows) -> Any:
            curves = [*past_curves(feed, f"{name}/{key}", view.axis), *split_curves(rows, f"{name}/{key}", colour, view.axis)]
            per_epoch = 0.0 if run.status.is_ended() else epoch_length(run.info, view.axis)
            ends = rows.ask(lambda rows: x_range(rows, past, view.axis, per_epoch))  # it changes less often than the rows' own ends
            return curve_chart(curves, x_range=ends, marks=marks_of(run, rows, view.axis), **looks)

        return build

    draw_chart(
        feed,
        f"{name}.{main}.row",
        view,
        chart(main, share=is_share(metric), height=METRIC_HEIGHT),
        tr("{metric} of {task}", metric=tr(metric["title"]), task=name),
    )
    losses = chart("loss", smoothing=view.smoothing, log_y=view.log_y, height=LOSS_HEIGHT, y_title=tr("loss"))
    draw_chart(feed, f"{name}.loss.row", view, losses, tr("Loss of {task}", task=name))
