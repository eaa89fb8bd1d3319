"""The curves of a race: one chart per task with a line per method, and each method's loss weights."""

from __future__ import annotations

import html
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from mtl_core.figures.curves import curve_chart
from mtl_core.figures.explained_curves import Explanation
from mtl_core.figures.explained_results import explain_race
from mtl_core.language import language, mark, tr
from mtl_core.runs.store import RunStore
from mtl_core.scalar_words import metric_words
from ui.compare.race_entries import Entry, in_a_row, line_sample
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.run_charts import View, colours_of, is_share, nothing_of, one_curve, panel_style, scalars_feed
from ui.run.explain_popover import explain_popover, unit_of, values_of
from ui.shell import words
from ui.shell.element_keys import element_key

CHART_SECONDS = 1.5  # viewers who ask for the same figure within this time share it
KEPT_FIGURES = 120
SMALL = 4  # charts of loss weights in a row


def draw_charts(store: RunStore, race_id: str, entries: list[Entry], view: View) -> None:
    """Draw all charts of the race; a caption where no run has started."""
    begun = [entry for entry in entries if entry.run.info]
    if not begun:
        over = all(entry.run.status.is_ended() for entry in entries)
        gone = mark("No run of this race began to train, so there are no curves. The page of each run says why.")
        st.caption(tr(gone if over else mark("Curves appear here when the first run trains.")))
        return
    feeds = {entry.run.id: scalars_feed(store, entry.run.id) for entry in begun}
    seen = (view, tuple((entry.method, feeds[entry.run.id]["row"], entry.run.status.is_ended()) for entry in begun))
    figures = _figures(store.home.as_posix(), race_id)
    _task_charts(begun, feeds, view, lambda key, build, alt: _draw(figures, key, seen, build, alt))
    _weight_charts(begun, feeds, view, lambda key, build, alt: _draw(figures, key, seen, build, alt))


@st.cache_resource(max_entries=8, show_spinner=False)
def _figures(home: str, race_id: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {}


def _draw(figures: dict[tuple[Any, ...], dict[str, Any]], key: str, seen: tuple[View, Any], build: Callable[[], Any], alt: str) -> None:
    """Draw a chart. It is rebuilt only when there are new rows; sending the same figure again costs the browser nothing."""
    view, rows = seen
    asked = (key, view.smoothing, view.axis, view.log_y, language())
    entry = figures.get(asked)
    if entry is None or (entry["rows"] != rows and time.monotonic() - entry["built"] > CHART_SECONDS):
        if len(figures) >= KEPT_FIGURES:
            figures.clear()
        entry = figures[asked] = {"rows": rows, "built": time.monotonic(), "chart": prepared(build(), alt)}
    plot(entry["chart"], key=f"race.chart.{key}")


def _task_charts(begun: list[Entry], feeds: dict[str, Any], view: View, draw: Callable[..., None]) -> None:
    tasks, colours = begun[0].run.info["tasks"], colours_of(begun[0].run.config)
    losses = st.session_state.get("race.what") == "loss"
    panel_style(tasks, colours, prefix="race_task")
    columns = len(tasks) if len(tasks) < 3 else (2 if len(tasks) == 4 else 3)
    names = list(tasks)
    for start in range(0, len(names), columns):
        for place, name in zip(st.columns(columns), names[start : start + columns], strict=False):
            metric = "loss" if losses else tasks[name]["main_metric"]
            with place.container(border=True, gap="small", key=element_key("race_task", name)):
                about = tasks[name]["metrics"].get(metric, {})
                st.markdown(f"**{words.plain(name)}** :gray[{_titled(about, metric)}]")
                share = is_share(tasks[name]["metrics"].get(metric, {}))
                draw(
                    f"{name}.{metric}",
                    lambda name=name, metric=metric, share=share: _lines(begun, feeds, f"val/{name}/{metric}", view, share),
                    tr("{title} of {name} on val", title=tr(about.get("title") or metric), name=name),
                )
                explain_popover(f"race.{name}", partial(_explained, begun, feeds, name, metric, about))  # below: long titles need the whole line


def _explained(begun: list[Entry], feeds: dict[str, Any], name: str, metric: str, about: dict[str, Any]) -> Explanation:
    ends = {}
    for entry in begun:
        values = values_of(feeds[entry.run.id]["rows"], f"val/{name}/{metric}")
        ends[entry.method] = values[-1] if values else math.nan
    title = tr(metric_words(metric, {metric: about}))
    return explain_race(tr("{title} of {name} on val", title=title, name=name), ends, bool(about.get("higher_is_better")), unit_of(about))


def _titled(metric: dict[str, Any], name: str) -> str:
    title = words.plain(words.with_unit(tr(metric.get("title") or name), metric.get("unit", "")))
    return f"{title} {words.better(metric.get('higher_is_better'))}"


def _lines(begun: list[Entry], feeds: dict[str, Any], key: str, view: View, share: bool) -> Any:
    curves = [one_curve(feeds[entry.run.id]["rows"], key, entry.method, entry.colour, view.axis, entry.dash) for entry in begun]
    looks = {"log_y": view.log_y, "share": share, "nothing": nothing_of(entry.run for entry in begun)}
    return curve_chart([curve for curve in curves if len(curve.x)], height=250, x_title=tr(view.axis), **looks)


def _weight_charts(begun: list[Entry], feeds: dict[str, Any], view: View, draw: Callable[..., None]) -> None:
    tasks, colours = begun[0].run.info["tasks"], colours_of(begun[0].run.config)
    st.subheader(tr("Loss weights"), anchor=False)
    items = "".join(f'<span><span style="color:{colours[task]}">&#9632;</span> {html.escape(task)}</span>' for task in tasks)
    st.caption(tr("The factor on each task's loss or gradient at each step, per method. Each chart has its own scale."))
    st.html(f'<div class="legend">{items}</div>')
    beside = in_a_row(len(begun), SMALL)
    for start in range(0, len(begun), beside):
        for place, entry in zip(st.columns(beside), begun[start : start + beside], strict=False):
            with place.container(border=True, gap="small", key=f"race_weights_{entry.run.id}"):
                st.html(f"{line_sample(entry)} <b>{html.escape(entry.method)}</b>")

                def weights(entry: Entry = entry) -> Any:
                    rows = feeds[entry.run.id]["rows"]
                    curves = [one_curve(rows, f"loss_weight/{task}", task, colours[task], view.axis) for task in tasks]
                    return curve_chart(curves, smoothing=view.smoothing, height=150, nothing=nothing_of([entry.run]))

                draw(f"weights.{entry.run.id}", weights, tr("Loss weights under {method}", method=entry.method))
