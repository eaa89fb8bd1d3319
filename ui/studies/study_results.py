"""The results of a study: table of cells and tasks, front of weights, best division into networks, downloads."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from mtl_core.figures.colours import PALETTE
from mtl_core.figures.explained_results import explain_front
from mtl_core.language import language, mark, tr
from mtl_core.runs.status import RunStatus
from mtl_core.scalar_words import metric_words
from mtl_core.studies.aggregates import DROP, GAIN
from mtl_core.studies.answer import Answer
from mtl_core.studies.paper_table import any_is_cut, heading, number, regret_in_words, to_csv, to_latex
from mtl_core.studies.study_report import study_report
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.table_sizes import whole_height
from ui.run.explain_popover import explain_popover
from ui.shell import words
from ui.shell.state import go_to, run_store
from ui.studies.study_affinities import study_affinities
from ui.studies.study_cost import last_receipt, own_labels
from ui.studies.study_grouping import study_grouping
from ui.studies.study_labels import study_labels

CELL = mark("What is compared: one choice of settings, trained with every seed.")
ABOUT_GAIN = mark(
    "Mean over the tasks of the mean relative gain of all metrics of a task (as in LibMTL). The verdict above counts main metrics only."
)
FURTHER = {  # columns that are shown on request -> what they are
    DROP: mark("Mean relative drop over all metrics (as in Nash-MTL)."),
    mark("mean rank ↓"): mark("Among the cells with every task, over tasks and seeds; 1 is best."),
    mark("checkpoint regret ↓"): mark("What each task loses on val at the one chosen checkpoint, against its own best epoch, in its metric's unit."),
    mark("IQM ↑"): mark("Interquartile mean of value over baseline, with its 95 % interval; above 1 is better."),
    mark("P(improvement) ↑"): mark("Probability that a run is better than one of the baseline (Mann-Whitney), averaged over the tasks."),
}
SHORT = 28  # characters of a cell's name that a column of medium width shows
DOWNLOAD: dict[str, Any] = {"on_click": "ignore", "icon": ":material/download:"}


def results(answer: Answer) -> None:
    """Draw everything below the verdict."""
    st.subheader(tr("Table"), anchor=False)
    if not answer.metrics:
        over = mark("No run of this study has finished, so there is no table.")
        st.caption(tr(mark("The table appears when the first run has finished.") if answer.is_going else over))
        return
    table = table_of(answer)
    about = {tr(name): tr(text) for name, text in FURTHER.items()}
    if not st.toggle(
        tr("Further columns"), key=f"study.columns.{answer.study.id}", help=tr("Other summaries that papers use, in columns of their own.")
    ):
        table = table.drop(columns=[name for name in about if name in table.columns])
    widest = max(len(cell.label) for cell in answer.study.cells)
    columns = {
        tr("cell"): st.column_config.TextColumn(width="large" if widest > SHORT else "medium", help=tr(CELL)),
        tr(GAIN): st.column_config.TextColumn(help=tr(ABOUT_GAIN)),
        **{name: st.column_config.TextColumn(width="medium" if name == tr("IQM ↑") else None, help=text) for name, text in about.items()},
    }
    st.dataframe(table, hide_index=True, placeholder="–", column_config=columns, height=whole_height(len(table), 560))
    st.caption(
        tr(
            "Mean over the seeds ± half of Student's 95 % interval of the mean, on {split}. Cells share their seeds, so read "
            "differences above and not from these intervals.",
            split=tr(answer.split),
        )
        + (tr(" “Cut at”: the interval ends there, because the metric has no values beyond.") if any_is_cut(answer) else "")
    )
    _downloads(answer)
    if answer.front:
        _front(answer)
    study_labels(answer)
    study_grouping(answer)
    study_affinities(answer)


def head_of(task: str, metric: Any) -> str:
    """The head of a metric's column, such as ``F1 of present ↑``."""
    return tr(
        "{metric_words} of {task} {better}",
        metric_words=tr(metric_words(metric.name, {metric.name: {"title": metric.title}})),
        task=task,
        better=words.better(metric.higher_is_better),
    )


def table_of(answer: Answer) -> pd.DataFrame:
    """A row for each cell, a column for each task."""
    rows = []
    for cell in answer.study.cells:
        row = {tr("cell"): cell.label}
        row |= {head_of(task, metric): number(answer.spreads.get(cell.key, {}).get(task)) for task, metric in answer.metrics.items()}
        gains, drops = answer.delta_m.get(cell.key, (math.nan, math.nan))
        row |= {
            tr(GAIN): f"{gains:+.2f}" if math.isfinite(gains) else "–",
            tr(DROP): f"{drops:+.2f}" if math.isfinite(drops) else "–",
        }
        row[tr("mean rank ↓")] = f"{answer.ranks[cell.key]:.2f}" if cell.key in answer.ranks else "–"
        row[tr("checkpoint regret ↓")] = regret_in_words(answer, cell.key)
        robust = answer.robust.get(cell.key)
        row[tr("IQM ↑")] = tr("{mean:.3f} ({low:.3f} to {high:.3f})", mean=robust[0], low=robust[1], high=robust[2]) if robust else "–"
        row[tr("P(improvement) ↑")] = f"{robust[3]:.2f}" if robust else "–"
        rows.append(row)
    return pd.DataFrame(rows)


def _downloads(answer: Answer) -> None:
    name = answer.study.id
    with st.container(horizontal=True, gap="small"):
        receipt = last_receipt(answer.study.id)
        costs = (receipt, own_labels(answer, receipt)) if receipt else ()
        report = partial(study_report, run_store(), answer, language(), *costs)  # written when it is asked for
        st.download_button(tr("Report"), report, f"{name}.html", "text/html", key=f"report.{name}", **DOWNLOAD)
        st.download_button("LaTeX", to_latex(answer), f"{name}.tex", "text/x-tex", key=f"latex.{name}", **DOWNLOAD)
        st.download_button("CSV", to_csv(answer), f"{name}.csv", "text/csv", key=f"csv.{name}", **DOWNLOAD)
        st.download_button("YAML", answer.study.to_yaml(), f"{name}.yaml", "application/yaml", key=f"yaml.{name}", **DOWNLOAD)


def _front(answer: Answer) -> None:
    front = answer.front
    assert front is not None  # ``results`` asks
    st.subheader(tr("Front"), anchor=False)
    labels = {cell.key: cell.label for cell in answer.study.cells}
    if len(front.tasks) > 1:
        first, second = front.tasks[:2]
        chart = prepared(_front_figure(answer, labels), tr("Values of {first} and {second} for each cell", first=first, second=second))
        names = [labels[key] for key in front.on_front]
        explain_popover(f"front.{answer.study.id}", partial(explain_front, names, len(front.points), first, second))
        clicked = plot(chart, key=f"front.{answer.study.id}", clicks=True)
        if clicked and clicked["customdata"] in labels:
            open_predictions(answer, clicked["customdata"])
        _choose_point(answer, labels)
        if len(front.tasks) > 2:
            st.caption(
                tr("The chart shows {first} and {second}; the front below counts all tasks.", first=words.plain(first), second=words.plain(second))
            )
    best = tr("; ").join(words.plain(labels[key]) for key in front.on_front)
    st.markdown(tr("No other cell is better in every task than: {best}.", best=best))
    if math.isfinite(front.volume):
        st.caption(
            tr(
                "The fixed weights dominate {volume:.1%} of the box between the worst and the best value of each task (hypervolume).",
                volume=front.volume,
            )
        )
    for key, (beyond, free, of) in front.beyond.items():
        none = mark(
            "No fixed weights are better than {method} in every task, in the means over the seeds; in {free} of {seeds} {seeds:seed|seeds} none are."
        )
        some = mark(
            "Some fixed weights are better than {method} in every task, in the means over the seeds; in {free} of {seeds} "
            "{seeds:seed|seeds} none are."
        )
        st.markdown(tr(none if beyond else some, method=words.plain(labels[key]), free=free, seeds=of))
    if front.beyond:
        st.caption(
            tr(
                "With several tasks few cells are better in every one, so this is no lead yet. "
                "The comparison with the best of the sweep has the verdict."
            )
        )


def _choose_point(answer: Answer, labels: dict[str, str]) -> None:
    """The same as a click on a point, for the keyboard."""
    front = answer.front
    assert front is not None  # ``results`` asks
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        key = f"point.{answer.study.id}"
        cell = st.selectbox(tr("Point of the front"), list(front.points), format_func=words.text_of(labels), key=key, width=360)
        about = tr("A click on a point does the same. The page shows the run of the first seed beside the one that it is compared with.")
        click = {"on_click": open_predictions, "args": (answer, cell)}
        st.button(tr("Open its predictions"), icon=":material/image:", key=f"open_point.{answer.study.id}", help=about, **click)


def open_predictions(answer: Answer, cell: str) -> None:
    """Open the predictions of a cell's first finished seed, beside the run of its baseline with the same seed where there is one."""
    done = {place: run for place, run in answer.run_ids.items() if answer.statuses.get(place) == RunStatus.FINISHED.value}
    seed = next((seed for seed in answer.study.seeds if (cell, seed) in done), None)
    if seed is None:
        return
    baselines = [key for each in answer.study.comparisons if each.cell == cell for key in each.baselines.values()]
    beside = next((done[key, seed] for key in baselines if key != cell and (key, seed) in done), None)
    go_to("predictions", run=done[cell, seed], sample="0", **({"beside": beside} if beside else {}))


def _front_figure(answer: Answer, labels: dict[str, str]) -> go.Figure:
    front = answer.front
    assert front is not None  # ``results`` asks
    metrics = [answer.metrics[task] for task in front.tasks[:2]]
    figure = go.Figure()
    methods, lower = list(front.beyond), [not metric.higher_is_better for metric in metrics]
    groups = (
        (tr("fixed weights"), [key for key in front.points if key not in methods], "circle", PALETTE[0]),
        (tr("methods"), [*methods], "diamond", PALETTE[1]),
    )
    for name, keys, symbol, colour in groups:
        for on_front in (True, False):
            shown = [key for key in keys if (key in front.on_front) == on_front]
            if shown:
                x, y = ([-front.points[key][axis] if lower[axis] else front.points[key][axis] for key in shown] for axis in (0, 1))
                marker = {"symbol": symbol if on_front else f"{symbol}-open", "size": 11, "color": colour}
                label = tr("{name}, on the front", name=name) if on_front else tr("{name}, not on it", name=name)
                texts = [labels[key] for key in shown]
                figure.add_scatter(x=x, y=y, mode="markers", name=label, text=texts, customdata=shown, marker=marker)
    for axis, metric in zip(("xaxis", "yaxis"), metrics, strict=True):
        figure.update_layout({axis: {"title": {"text": heading(metric)}}})
    figure.update_layout(height=380, uirevision="front", margin={"l": 60, "r": 20, "t": 20, "b": 50})
    return figure
