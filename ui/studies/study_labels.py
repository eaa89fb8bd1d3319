"""Label curves of a study: each task's metric over the share of one task's labels, and what a doubling of these labels is worth to each task."""

from __future__ import annotations

import math

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from mtl_core.analysis.metric_ranges import UNBOUNDED, cut_band, range_of
from mtl_core.figures.colours import task_colours
from mtl_core.language import tr
from mtl_core.studies.answer import Answer
from mtl_core.studies.label_worth import LabelCurve, label_curves, worth_in_words
from mtl_core.studies.paper_table import heading
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.table_sizes import whole_height
from ui.shell import words

CHARTS = 3  # in a row


def study_labels(answer: Answer) -> None:
    """Draw the table and the curves. Nothing where the study thins no labels."""
    found = label_curves(answer)
    if not found:
        return
    st.subheader(tr("Labels"), anchor=False)
    rows = {labels: {tr("labels of"): labels} for labels in dict.fromkeys(curve.labels for curve in found)}
    for curve in found:
        rows[curve.labels][heading(answer.metrics[curve.task])] = worth_in_words(curve)
    st.dataframe(list(rows.values()), hide_index=True, height=whole_height(len(rows)))
    st.caption(
        tr(
            "What a doubling of one task's labels changes in each task, with Student's 95 % interval over the seeds: the slope over the base-2 "
            "logarithm of the share of labels, one for each seed. Above 0 is better, whatever the metric. A description of the curves; the verdicts "
            "above are corrected for their number, these intervals are not."
        )
    )
    tasks = list(dict.fromkeys(curve.task for curve in found))
    for start in range(0, len(tasks), CHARTS):
        for place, task in zip(st.columns(CHARTS), tasks[start : start + CHARTS], strict=False):
            with place:
                curves = [curve for curve in found if curve.task == task]
                st.markdown(f":small[{words.plain(heading(answer.metrics[task]))}]")
                figure = label_figure(curves, task_colours(answer.study.base.tasks), range_of(answer.metrics[task].name, answer.metrics[task].unit))
                about = tr("Values of {task} over the share of each task's labels", task=task)
                plot(prepared(figure, about), key=f"labels.{answer.study.id}.{task}")


def label_figure(curves: list[LabelCurve], colours: dict[str, str], bounds: tuple[float, float] = UNBOUNDED) -> go.Figure:
    """The values of one task: a line for each task whose labels are thinned, with one standard deviation over the seeds, cut at the
    ends of the metric's range (``bounds``)."""
    figure = go.Figure()
    for curve in curves:
        spreads = [0.0 if math.isnan(spread) else spread for spread in curve.spreads]
        low, high = cut_band(np.array(curve.means), np.array(spreads), bounds)
        down, up = (np.array(curve.means) - low).tolist(), (high - np.array(curve.means)).tolist()
        figure.add_scatter(
            x=[100 * share for share in curve.shares],
            y=list(curve.means),
            error_y={"array": up, "arrayminus": down, "symmetric": False, "thickness": 1, "width": 3},
            mode="lines+markers",
            name=tr("labels of {task}", task=curve.labels),
            line={"color": colours[curve.labels]},
        )
    shares = sorted({100 * share for curve in curves for share in curve.shares})
    figure.update_xaxes(type="log", tickvals=shares, ticktext=[words.three_digits(share) for share in shares], title=tr("labels (%)"))
    figure.update_layout(height=340, uirevision="labels", margin={"l": 50, "r": 10, "t": 30, "b": 50}, legend={"orientation": "h", "y": -0.25})
    return figure
