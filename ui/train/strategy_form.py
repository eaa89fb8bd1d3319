"""The strategy section of the Train form: the update of a step, and each task's own optimizer and epochs."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.config_sections import OptimizerConfig, TaskConfig
from mtl_core.language import mark, tr
from mtl_core.training import JOINT, UPDATES
from ui.shell.form_editions import form_key, key_for
from ui.shell.model_forms import FieldRow, describe, field_row, options_form
from ui.shell.state import hold, read, settings, write
from ui.shell.words import plain
from ui.train.folded_section import folded_section
from ui.train.part_form import part_chooser

EPOCHS = ("start_epoch", "stop_epoch")
WIDTHS = (3, 3, 2, 3, 3)  # of the columns: task, own optimizer, frozen, first and last epoch
OWN_OPTIMIZER = mark("An optimizer with its own learning rate, for this task's own parameters.")


def strategy_section() -> None:
    """Draw the folded section, and below it what differs from the defaults."""
    folded_section("strategies", tr("How tasks share a step, and each task's own strategy"), ":material/alt_route:", _strategies)
    if changed := _in_words():
        st.caption(tr("; ").join(changed))


def _strategies() -> None:
    part_chooser(tr("How tasks share a step"), UPDATES, "update", default=JOINT, columns=3)
    st.markdown(tr("**Each task's own strategy** :gray[its epochs, and an own optimizer for the parameters that only this task uses]"))
    fields = {field.name: field for field in describe(TaskConfig)}
    for place, title, about in zip(
        st.columns(WIDTHS, vertical_alignment="bottom"),
        ("", tr("Own optimizer"), tr("Frozen"), tr("From epoch"), tr("Through epoch")),
        ("", OWN_OPTIMIZER, *(fields[field].help for field in ("frozen", *EPOCHS))),
        strict=True,
    ):
        place.markdown(title, help=tr(about) or None)
    for name in settings()["tasks"]:
        _task(name, fields)


def _task(name: str, fields: dict[str, Any]) -> None:
    with field_row(WIDTHS, "center") as row:
        _task_fields(row, name, fields)
    path = ("tasks", name, "optimizer")
    if read(path) is not None:
        options_form(OptimizerConfig, path, columns=4)


def _task_fields(row: FieldRow, name: str, fields: dict[str, Any]) -> None:
    title, own, *_ = row.places
    task = plain(name)
    title.markdown(task)
    path = ("tasks", name, "optimizer")
    key = key_for(f"own_optimizer.{name}", read(path) is not None)
    hold(key, read(path) is not None)

    def take() -> None:
        if key == form_key(f"own_optimizer.{name}") and st.session_state[key] != (read(path) is not None):
            write(path, OptimizerConfig(**settings()["optimizer"]).model_dump() if st.session_state[key] else None)

    own.toggle(tr("Own optimizer of {task}", task=task), st.session_state[key], key=key, on_change=take, label_visibility="collapsed")
    labels = {
        "frozen": tr("{task} is frozen", task=task),
        "start_epoch": tr("From epoch, {task}", task=task),
        "stop_epoch": tr("Through epoch, {task}", task=task),
    }
    for place, field in enumerate(labels, 2):
        row.draw(place, fields[field], ("tasks", name, field), labels[field], hide_label=True)


def _in_words() -> list[str]:
    """The update and each task's strategy, as far as they differ from the defaults."""
    said = [] if read(("update", "name"), JOINT) == JOINT else [plain(tr(read(("update", "name")).replace("_", " ")))]
    for name, task in settings()["tasks"].items():
        own = [tr("own {optimizer}", optimizer=task["optimizer"].get("name", "optimizer"))] if task.get("optimizer") else []
        if task.get("start_epoch", 1) != 1 or task.get("stop_epoch") is not None:
            first, last = task.get("start_epoch", 1), task.get("stop_epoch")
            own.append(tr("epochs {first} to {last}", first=first, last=last) if last else tr("epochs {first} to the last", first=first))
        own += [tr("frozen")] if task.get("frozen") else []
        if own:
            said.append(tr("{task}: {strategy}", task=plain(name), strategy=tr(", ").join(own)))
    return said
