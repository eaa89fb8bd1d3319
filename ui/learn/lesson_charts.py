"""What the runs of a lesson show: a chart for each scalar that matters, with a line for every run, and their last values."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mtl_core.figures.colours import DASHES, PALETTE
from mtl_core.figures.curves import curve_chart
from mtl_core.language import HalfUp, tr
from mtl_core.lessons.lesson import Lesson, LessonText, Recording
from mtl_core.lessons.lesson_runs import value_in_words
from mtl_core.runs.store import RunStore
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.run_charts import nothing_of, one_curve, scalars_feed
from ui.shell import words

SMOOTHING = 0.6  # of values per step
USUAL, LARGE = 190, 300  # pixels of a chart's height
LARGE_FONT = 19


@dataclass(frozen=True)
class Line:
    """One run in the charts."""

    run: Any
    name: str
    colour: str
    dash: str


def lines_of(lesson: Lesson, found: Mapping[Any, Sequence[Any]]) -> list[Line]:
    """A line for every run. The colour is that of the value, or of the seed in a lesson whose trainings have several runs."""
    values, lines = lesson.control.values, []
    for value in sorted(found, key=values.index):
        for run in found[value]:
            if len(found[value]) == 1:
                lines.append(Line(run, value_in_words(lesson, value), PALETTE[values.index(value) % len(PALETTE)], DASHES[0]))
            else:
                alone = len(run.config.tasks) == 1
                seed = run.config.seed
                name = tr("alone, seed {seed}", seed=seed) if alone else tr("together, seed {seed}", seed=seed)
                lines.append(Line(run, name, PALETTE[run.config.seed % len(PALETTE)], DASHES[0 if alone else 1]))
    return lines


def lesson_charts(store: RunStore, text: LessonText, lines: Sequence[Line], key: str, large: bool, beside: bool = False) -> None:
    """Draw a chart for each of the lesson's scalars, one below the other, or ``beside`` each other and lower."""
    places = st.columns(len(text.charts)) if beside else [st.container() for _ in text.charts]
    feeds = {line.run.id: scalars_feed(store, line.run.id)["rows"] for line in lines}
    for place, (scalar, title) in zip(places, text.charts.items(), strict=True):
        place.markdown(f"**{title}**" if large else f":small[**{title}**]")
        curves = [one_curve(feeds[line.run.id], scalar, html.escape(line.name, quote=False), line.colour, "epoch", line.dash) for line in lines]
        curves = [curve for curve in curves if len(curve.x)]
        chart = curve_chart(
            curves,
            smoothing=SMOOTHING,
            x_title=tr("pass over the pictures"),
            share=is_share(scalar),
            legend=bool(curves),
            height=LARGE if large and not beside else USUAL,
            nothing=nothing_of(line.run for line in lines),
        )
        if is_share(scalar):
            chart["layout"]["yaxis"]["tickformat"] = ".2~%"
            for trace in chart["data"]:
                trace["hovertemplate"] = "%{y:.1%}"
        if large:
            size, layout = {"size": LARGE_FONT}, chart["layout"]
            for part in (layout["legend"], layout["xaxis"]["title"]):
                part["font"] = size
            for axis in (layout["xaxis"], layout["yaxis"]):
                axis["tickfont"] = size
            layout["margin"]["t"] = 44
        with place:
            plot(prepared(chart, tr("{title}, of {curves} {curves:run|runs}", title=title, curves=len(curves))), key=f"lesson.{key}.{scalar}")


def is_share(scalar: str) -> bool:
    """Whether lessons show a scalar in percent."""
    return scalar.endswith("/accuracy") or scalar.startswith("gradient_share/")


def lesson_numbers(store: RunStore, lesson: Lesson, lines: Sequence[Line]) -> None:
    """Draw a table: the value of every scalar that the lesson asks for, and how many numbers the network has.

    Where a run has not finished a column has the states: its values are not those of the end.
    """
    text, shown = lesson.text(), [line for line in lines if line.run.info]
    if not shown:
        return
    read = {scalar: tr("mean") if scalar in lesson.means else tr("last value") for scalar in text.charts}
    columns = {tr("run"): [words.plain(line.name) for line in shown]}
    if any(str(line.run.status) != "finished" for line in shown):
        columns[tr("state")] = [tr(str(line.run.status)) for line in shown]
    for scalar, title in text.charts.items():
        head = tr("{title}, {read}", title=words.plain(title.partition(" · ")[0]), read=read[scalar])
        columns[head] = [value_of(store, lesson, line.run, scalar) for line in shown]
    columns[tr("numbers in the network")] = [_size(line.run) for line in shown]
    table = [list(columns), ["---"] * len(columns), *map(list, zip(*columns.values(), strict=True))]
    st.markdown("\n".join(f"| {' | '.join(row)} |" for row in table))


def _size(run: Any) -> str:
    parameters = run.info.get("parameters", {})
    size = parameters.get("shared", 0) + sum(parameters.get("tasks", {}).values())
    return f"{size:,}" if size else "–"


def value_of(store: RunStore, lesson: Lesson, run: Any, scalar: str) -> str:
    """The value of a scalar that the lesson asks for, its mean or its last, in words; a dash where there is none."""
    recorded = Recording(run.config, scalars_feed(store, run.id)["rows"].frame)
    value = recorded.mean(scalar) if scalar in lesson.means else recorded.last(scalar)
    return f"{HalfUp(value):.1%}" if is_share(scalar) and math.isfinite(value) else words.measured(value)
