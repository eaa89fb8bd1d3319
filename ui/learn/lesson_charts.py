"""What the runs of a lesson show: a chart for each scalar that matters, with a line for every run, and their last values."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mtl_core.figures.colours import DASHES, PALETTE
from mtl_core.figures.curves import curve_figure
from mtl_core.language import tr
from mtl_core.lessons.lesson import Lesson, LessonText
from mtl_core.lessons.lesson_runs import value_in_words
from mtl_core.runs.store import RunStore
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.run_charts import one_curve, scalars_feed
from ui.shell import words

SMOOTHING = 0.6  # of values per step
USUAL, LARGE = 190, 300  # pixels of a chart's height
LARGE_FONT = 19
SHARES = ("accuracy",)


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


def lesson_charts(store: RunStore, text: LessonText, lines: Sequence[Line], key: str, large: bool) -> None:
    """Draw a chart for each of the lesson's scalars."""
    feeds = {line.run.id: scalars_feed(store, line.run.id)["frame"] for line in lines}
    for scalar, title in text.charts.items():
        st.markdown(f"**{title}**" if large else f":small[**{title}**]")
        curves = [one_curve(feeds[line.run.id], scalar, html.escape(line.name), line.colour, "epoch", line.dash) for line in lines]
        curves = [curve for curve in curves if len(curve.x)]
        figure = curve_figure(
            curves,
            smoothing=SMOOTHING,
            x_title=tr("pass over the pictures"),
            share=scalar.endswith(SHARES),
            legend=bool(curves),
            height=LARGE if large else USUAL,
        )
        if large:
            size = {"size": LARGE_FONT}
            figure.update_layout(legend={"font": size}, margin={"t": 44}, xaxis={"tickfont": size, "title": {"font": size}}, yaxis={"tickfont": size})
        plot(prepared(figure, tr("{title}, of {curves} runs", title=title, curves=len(curves))), key=f"lesson.{key}.{scalar}")


def lesson_numbers(store: RunStore, text: LessonText, lines: Sequence[Line]) -> None:
    """Draw a table: the last value of every scalar, and how many numbers the network has."""
    rows = []
    for line in lines:
        if not line.run.info:
            continue
        cells = [last_value(store, line.run, scalar) for scalar in text.charts]
        parameters = line.run.info.get("parameters", {})
        size = parameters.get("shared", 0) + sum(parameters.get("tasks", {}).values())
        rows.append([words.plain(line.name), *cells, f"{size:,}" if size else "–"])
    if rows:
        heads = [tr("run"), *(words.plain(title.partition(" · ")[0]) for title in text.charts.values()), tr("numbers in the network")]
        table = [heads, ["---"] * len(heads), *rows]
        st.markdown("\n".join(f"| {' | '.join(row)} |" for row in table))


def last_value(store: RunStore, run: Any, scalar: str) -> str:
    """The last value of a scalar, in words; a dash where there is none."""
    frame = scalars_feed(store, run.id)["frame"]
    values = frame.loc[frame["key"] == scalar, "value"]
    last = float(values.iloc[-1]) if len(values) else math.nan
    return f"{last:.1%}" if scalar.endswith(SHARES) and math.isfinite(last) else words.measured(last)
