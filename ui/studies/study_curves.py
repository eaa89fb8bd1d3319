"""Curves of a study: a chart for each task, a line for each cell, with a band over its seeds."""

from __future__ import annotations

import streamlit as st

from mtl_core.figures.colours import style_at
from mtl_core.language import tr
from mtl_core.studies.answer import Answer
from ui.compare.compare_curves import MAIN, task_charts, tasks_of
from ui.compare.compare_groups import Group, legend
from ui.drawing.run_charts import scalars_feed, view_controls
from ui.shell.state import run_store

MOST_CELLS = 12  # more lines in one chart cannot be told apart


def curves(answer: Answer) -> None:
    """Draw the switch and, where it is on, the curves. They read every value of the runs, so they are not drawn unasked."""
    study = answer.study
    if not answer.run_ids:
        return
    about = tr("Each cell's main metrics on val, epoch by epoch: the mean over its seeds, with a band of one standard deviation.")
    if not st.toggle(tr("Curves of the cells"), key=f"study.curves.{study.id}", help=about):
        return
    store = run_store()
    runs = {run.id: run for run in store.several(list(answer.run_ids.values())) if run.step}
    groups = []
    for place, cell in enumerate(study.cells[:MOST_CELLS]):
        own = tuple(runs[run_id] for seed in study.seeds if (run_id := answer.run_ids.get((cell.key, seed))) in runs)
        if own:
            groups.append(Group(cell.label, own, *style_at(place)))
    chosen = [run for group in groups for run in group.runs]
    tasks = tasks_of(chosen)
    if not tasks:
        st.caption(tr("No run has any values yet.") if answer.is_going else tr("No run has any values."))
        return
    view = view_controls(tr("Curves"), tr("on val, after each epoch; one colour per cell"))
    legend(groups)
    task_charts(chosen, tasks, [MAIN], groups, None, {run.id: scalars_feed(store, run.id)["rows"] for run in chosen}, view)
    if len(study.cells) > MOST_CELLS:
        st.caption(tr("The first {most} of {cells} cells. Compare draws any others.", most=MOST_CELLS, cells=len(study.cells)))
