"""The panel on the affinity between tasks: the matrix, what helps and harms most, and the grouping that it advises."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.figures.matrix import affinity_figure
from mtl_core.language import tr
from mtl_core.studies.task_affinity import MOST_TASKS, TaskAffinity, advice, affinity_of, sentences
from mtl_core.training import TASK_VECTORS
from ui.drawing.plotly_chart import plot, prepared
from ui.drawing.table_sizes import whole_height
from ui.shell import words


def has_affinities(run: Any) -> bool:
    """Whether the run measures how a step for one task changes the losses of others."""
    return bool(run.config.affinity_every) and len(run.info["tasks"]) > 1


def affinity_panel(run: Any, feed: dict[str, Any]) -> None:
    """Draw the panel of a run that measures affinities."""
    with st.container(border=True, key="affinity"):
        st.markdown(tr("**Which tasks go together** :gray[how a step for one task alone changes each task's loss on the same images]"))
        frame = feed["rows"].frame
        found = affinity_of(zip(frame["key"], frame["step"], frame["value"], strict=True), list(run.info["tasks"]))
        if not found.points:
            st.caption(why_none(run))
            return
        affinity_matrix(found)
        affinity_advice(found, of=tr("one run"))


def why_none(run: Any) -> str:
    """Why no affinity was recorded: not yet, or not possible."""
    if run.config.update.name == TASK_VECTORS:
        return tr("Not measured: under this update no step computes all tasks' gradients at the same weights.")
    if run.info.get("tasks_share") == "nothing":
        return tr("The tasks share no parameters, so a step for one changes no other.")
    if run.info.get("parameters", {}).get("shared") == 0:
        return tr("The shared network is frozen: no task's step moves it.")
    if run.status.is_ended():
        return tr("Not measured: the run had no step in which a measurement was due and two tasks had targets.")
    return tr(
        "Not measured so far. It is measured every {affinity_every:,} {affinity_every:step|steps} in which two tasks have targets.",
        affinity_every=run.config.affinity_every,
    )


def affinity_matrix(found: TaskAffinity) -> None:
    """Draw the matrix and its sentences."""
    left, right = st.columns([3, 2])
    with left:
        figure = affinity_figure(found.values, list(found.tasks), height=130 + 34 * len(found.tasks))
        plot(prepared(figure, tr("Affinity of each task's step onto each task's loss")), key="chart.affinity")
    with right:
        for sentence in sentences(found):
            st.markdown(f":small[{words.plain(tr(sentence))}]")
        over = (
            tr("{points:,} {points:point|points} on the curves of {runs} {runs:run|runs}", points=found.points, runs=found.runs)
            if found.runs > 1
            else tr("{points:,} {points:point|points} on the curves", points=found.points)
        )
        st.caption(
            tr(
                "1 - loss after / loss before, mean over {over} (Fifty et al. 2021). A step of plain gradient descent on the shared "
                "parameters at the run's learning rate. The diagonal is a task's step for itself.",
                over=over,
            )
        )


def affinity_advice(found: TaskAffinity, of: str) -> None:
    """Draw the advised division for each number of networks."""
    advised = advice(found)
    if advised is None:
        if len(found.tasks) > MOST_TASKS:
            st.caption(tr("A grouping is advised for up to {most_tasks} tasks.", most_tasks=MOST_TASKS))
        return
    predicted = tr("predicted: mean affinity (%)")
    rows = [
        {
            tr("networks"): budget,
            tr("advised division"): tr("; ").join(" + ".join(group) for group in advised.chosen(budget)),
            predicted: 100 * advised.gain(budget),
        }
        for budget in advised.divisions
    ]
    columns = {predicted: st.column_config.NumberColumn(format="%+.2g")}
    st.dataframe(rows, hide_index=True, column_config=columns, height=whole_height(len(rows)))
    st.caption(
        tr(
            "A prediction from {of}, not a measurement: the affinity of a group onto a task is the mean of its other tasks' "
            "affinities, a task alone has 0, and the best division is found by exact search. A study of the kind *Which tasks "
            "together?* measures the groups.",
            of=of,
        )
    )
