"""What chooses the best checkpoint: the tasks, their weights in the mean, and floors that no task may fall below."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.config_sections import TaskConfig
from mtl_core.language import tr
from ui.shell.form_editions import form_key, key_for
from ui.shell.model_forms import describe, field_row
from ui.shell.state import hold, read, settings, write
from ui.shell.words import plain

WIDTHS = (3, 4, 4, 1)  # of the columns: task, weight, floor, nothing
MOST_TASKS = 12  # more have too many fields for a form; the config takes any number


def selection_section() -> None:
    """Draw the tasks that choose, and a table with a row for each task: its weight, where it chooses, and its floor."""
    tasks = list(settings()["tasks"])
    chosen = _select_by(tasks)
    if len(tasks) > MOST_TASKS:
        st.caption(tr("With more than {most} tasks, weights and floors are given in the YAML: selection_weight, selection_floor.", most=MOST_TASKS))
        return
    fields = {field.name: field for field in describe(TaskConfig)}
    choosing = (chosen or tasks) if len(tasks) > 1 else []
    titles = st.columns(WIDTHS)
    if choosing:
        titles[1].markdown(tr("Selection weight"), help=fields["selection_weight"].about)
    titles[2].markdown(tr("Floor"), help=fields["selection_floor"].about)
    for task in tasks:
        with field_row(WIDTHS, "center") as row:
            row.places[0].markdown(plain(task))
            if task in choosing:
                label = tr("Selection weight of {task}", task=plain(task))
                row.draw(1, fields["selection_weight"], ("tasks", task, "selection_weight"), label, hide_label=True)
            label = tr("Floor of {task}", task=plain(task))
            row.draw(2, fields["selection_floor"], ("tasks", task, "selection_floor"), label, hide_label=True)


def forget_removed_tasks() -> None:
    """Take tasks that are no longer chosen out of those that choose the best checkpoint, whether the form shows them or not."""
    named = read(("select_by",), [])
    chosen = [name for name in named if name in settings()["tasks"]]
    if chosen != named:
        write(("select_by",), chosen)


def _select_by(tasks: list[str]) -> list[str]:
    about = RunConfig.model_fields["select_by"].description
    chosen = list(read(("select_by",), []))
    key = key_for("select_by", chosen)
    hold(key, chosen)

    def take() -> None:
        picked: list[Any] = list(st.session_state[key])
        if key == form_key("select_by") and picked != read(("select_by",), []):
            write(("select_by",), picked)

    st.multiselect(
        tr("Tasks that choose the best checkpoint"),
        tasks,
        chosen,
        key=key,
        help=tr(about or ""),
        wrap=True,
        placeholder=tr("The supervised tasks"),
        on_change=take,
    )
    return chosen
