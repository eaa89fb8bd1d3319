"""The data sections of the Train form: data set, preprocessing, partition, and the tasks with their labels."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.config_sections import DataConfig, PartConfig, PartitionConfig, PreprocessingConfig, TaskConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.data_source import DataSource
from mtl_core.data.dataset import Task
from mtl_core.data.preprocessing import DENOISERS
from mtl_core.errors import ConfigError
from mtl_core.figures.colours import task_colours
from mtl_core.language import tr
from mtl_core.tasks import SELF_SUPERVISED
from ui.shell import state
from ui.shell.element_keys import element_key
from ui.shell.form_editions import form_key, key_for
from ui.shell.model_forms import FieldRow, describe, field_row, options_form, widget_key
from ui.shell.server_paths import path_problems
from ui.shell.state import hold, read, settings, write
from ui.shell.words import plain, unit_words
from ui.train import clone_and_fork
from ui.train.folded_section import folded_section
from ui.train.imported_sets import IMPORTED, imported_chooser, take_newest
from ui.train.part_form import part_chooser

SEED = ("seed",)  # of data and partition: under Advanced, so that one seed stands on the form


def data_section() -> None:
    """Draw the data set and its options."""
    own_forms = {IMPORTED: lambda: imported_chooser(_take_all_tasks)}
    part_chooser(tr("Data set"), DATA_SOURCES, "data", titled=True, changed=_take_data_set, own_forms=own_forms, without=SEED)
    source = offered_source()
    if source is not None:
        sizes = " · ".join(tr("{count:,} {split}", count=count, split=tr(split)) for split, count in source.split_sizes().items())
        channels, height, width = source.image_shape()
        about = (
            tr("{sizes} images, {width} x {height} pixels, grey", sizes=sizes, width=width, height=height)
            if channels == 1
            else tr("{sizes} images, {width} x {height} pixels, colour", sizes=sizes, width=width, height=height)
        )
        st.markdown(f":small[:gray[{about}]]")
        fetch = source.to_fetch()
        if fetch is not None:
            st.caption(
                tr(
                    ":material/download: The files are not in `{folder}` yet. The run downloads them ({megabytes:,} MB) when it starts.",
                    folder=fetch[0],
                    megabytes=fetch[1],
                )
            )
    folded_section("data_options", tr("Preprocessing, partition, labels used"), ":material/photo_filter:", _options)
    if changed := _options_in_words():
        st.caption(plain(tr("; ").join(changed)))


def _options() -> None:
    _preprocessing_form()
    _partition_form()


def _take_data_set() -> None:
    if settings()["data"]["name"] == IMPORTED:
        take_newest()
    _take_all_tasks()


def _take_all_tasks() -> None:
    """Take all tasks of the chosen data set, and reset its preprocessing and partition."""
    settings()["data"] = DataConfig(**settings()["data"]).model_dump(mode="json")
    settings()["tasks"] = {task.name: {"loss_weight": 1.0} for task in offered_tasks() if not task.superseded}
    st.session_state["tasks_put_aside"] = {}


def offered_source() -> DataSource | None:
    """The chosen data set; None while its options are invalid or name a folder outside the allowed ones. The form's problems say why."""
    if path_problems(settings()["data"]):
        return None
    try:
        return open_source(PartConfig(**settings()["data"]))
    except (ConfigError, TypeError, ValueError):
        return None


def offered_tasks() -> tuple[Task, ...]:
    """The tasks of the chosen data set that it offers, and the superseded ones that the config names."""
    source = offered_source()
    return tuple(task for task in source.tasks() if not task.superseded or task.name in settings()["tasks"]) if source is not None else ()


def task_names() -> list[str]:
    """Tasks of the data set in its order, then the self-supervised ones, then chosen tasks that are neither."""
    return list(dict.fromkeys([*(task.name for task in offered_tasks()), *SELF_SUPERVISED, *settings()["tasks"]]))


def tasks_section() -> None:
    """Draw a checkbox and a loss weight for each task of the data set and each self-supervised task."""
    offered = {task.name: task for task in offered_tasks()}
    names, colours = task_names(), task_colours(task_names())
    if clone_and_fork.is_fork():
        known = {*clone_and_fork.parent_config().tasks, *settings()["tasks"], *st.session_state.get("tasks_put_aside", {})}
        names = [name for name in names if name in known]
    made = [name for name in names if name in SELF_SUPERVISED and name not in offered]
    rules = (f".st-key-{element_key('task', name)}{{border-left:4px solid {colours[name]};padding-left:.7rem}}" for name in names)
    st.html(f"<style>{''.join(rules)}</style>")
    loss_weight = next(field for field in describe(TaskConfig) if field.name == "loss_weight")
    for name in names:
        if name not in made:
            with st.container(key=element_key("task", name)):
                _task_row(name, offered.get(name), loss_weight)
    if made:

        def rows() -> None:
            for name in made:
                with st.container(key=element_key("task", name)):
                    _task_row(name, None, loss_weight, made=True)

        title = tr("Self-supervised tasks: their targets are made from the pixels, without labels")
        chosen = [name for name in made if name in settings()["tasks"]]
        folded_section("made", title, ":material/auto_fix_high:", rows, opened=bool(chosen))
        if chosen:
            st.caption(tr("Trained: {tasks}", tasks=plain(tr(", ").join(chosen))))


def _made_task(name: str) -> str:
    """What a self-supervised task does; known once PyTorch is loaded."""
    from mtl_core.runs.jobs import warmed

    return plain(tr(SELF_SUPERVISED.load(name).summary)) if warmed() else tr("its targets are made from the pixels")


def _made_options(name: str) -> None:
    from mtl_core.runs.jobs import warmed

    if warmed():
        options_form(SELF_SUPERVISED.load(name).Options, ("tasks", name), columns=3)


def _take_task(name: str, key: str) -> None:
    """Take a ticked or unticked box, unless the form has been replaced since."""
    names = task_names()
    if key == form_key(f"task.{name}") and name in names:
        state.keep_task(name, st.session_state[key], names)


def _task_row(name: str, task: Task | None, loss_weight: Any, made: bool = False) -> None:
    with field_row([3, 5, 3], "center") as row:
        _task_fields(row, name, task, loss_weight, made)
    if made and name in settings()["tasks"]:
        _made_options(name)


def _task_fields(row: FieldRow, name: str, task: Task | None, loss_weight: Any, made: bool) -> None:
    check, what, number = row.places
    chosen = name in settings()["tasks"]
    key = key_for(f"task.{name}", chosen)
    hold(key, chosen)
    check.checkbox(plain(name), chosen, key=key, on_change=_take_task, args=(name, key))
    if made:
        what.markdown(f":small[{_made_task(name)}]")
    elif task is None:
        what.markdown(tr(":orange[the data set above has no such task]"))
    else:
        of = tr(", {classes} {classes:class|classes}", classes=len(task.classes)) if task.classes else unit_words(task.unit)
        what.markdown(f":small[{plain(tr(task.title) or name)}] :small[:gray[· {tr(task.kind.replace('_', ' '))}{plain(of)}]]")
    if chosen:
        row.draw(2, loss_weight, ("tasks", name, "loss_weight"), tr("Loss weight of {name}", name=name), hide_label=True)
    else:
        number.markdown(tr(":small[:gray[not trained]]"))


def _options_in_words() -> list[str]:
    """Every folded option that differs from its default."""
    words = data_in_words(settings()["data"])
    fewer = [f"{name} {task['label_fraction']:.0%}" for name, task in settings()["tasks"].items() if task.get("label_fraction", 1) < 1]
    if fewer:
        words.append(tr("labels: {shares}", shares=", ".join(fewer)))
    return words


def data_in_words(data: dict[str, Any]) -> list[str]:
    """Preprocessing and partition in words, as far as they differ from the defaults."""
    steps, partition = data.get("preprocessing", {}), data.get("partition", {})
    words = []
    if steps.get("denoise", {}).get("name", "none") != "none":
        words.append(tr("denoised ({how})", how=tr(steps["denoise"]["name"].replace("_", " "))))
    if steps.get("colour", "as_is") != "as_is":
        words.append(tr("grey") if steps["colour"] == "grey" else tr("three channels"))
    if steps.get("resize", "none") != "none":
        words.append(f"{steps['width']} x {steps['height']} ({tr(steps['resize'])})")
    if steps.get("standardise", "channels") != "channels":
        words.append(tr("not standardised") if steps["standardise"] == "none" else tr("standardised together"))
    if partition.get("kind") == "disjoint":
        words.append(tr("separate images for each task"))
    return words


def _preprocessing_form() -> None:
    st.markdown(tr("**Preprocessing** :gray[done once, before training; the sample beside the form shows its effect]"))
    part_chooser(tr("Denoise"), DENOISERS, "data.preprocessing.denoise", titled=True, default="none", about=_about_denoiser)
    options_form(PreprocessingConfig, ("data", "preprocessing"), columns=2)


def _about_denoiser(name: str, part: Any) -> str:
    return tr("{summary} Source: {source}.", summary=tr(part.summary), source=part.source) if part.source else tr(part.summary)


def _partition_form() -> None:
    st.markdown(tr("**Partition** :gray[which images have labels for which task]"))
    options_form(PartitionConfig, ("data", "partition"), columns=2, without=SEED)
    _among_note()
    st.markdown(_label_note())
    offered = {task.name for task in offered_tasks()}
    chosen = [name for name in task_names() if name in settings()["tasks"] and (name in offered or name not in SELF_SUPERVISED)]
    places = st.columns(3)
    for index, name in enumerate(chosen):
        with places[index % 3]:
            _fraction_slider(name)


def _label_note() -> str:
    if settings()["data"].get("partition", {}).get("kind") == "disjoint":
        return tr("**Labels used for training** :gray[a share of each task's own training images; val and test images keep all labels]")
    return tr("**Labels used for training** :gray[a share of the training images; val and test images keep all labels]")


def _among_note() -> None:
    """Say that the images are divided among other tasks than the chosen ones, as in a clone with fewer tasks."""
    partition = settings()["data"].get("partition", {})
    if partition.get("kind") != "disjoint" or not partition.get("among") or set(partition["among"]) == set(settings()["tasks"]):
        return
    st.caption(tr("The images are divided among {among}, as in the run whose settings these are.", among=plain(", ".join(partition["among"]))))
    st.button(tr("Divide them among the chosen tasks"), key="among", type="tertiary", on_click=lambda: write(("data", "partition", "among"), []))


def _fraction_slider(name: str) -> None:
    path = ("tasks", name, "label_fraction")

    def percent() -> int:
        return max(1, round(100 * float(read(path, 1.0))))

    key = widget_key(path, percent())
    shown = hold(key, percent())

    def take() -> None:
        if key == widget_key(path) and st.session_state[key] != percent():
            write(path, st.session_state[key] / 100)

    field = next(field for field in describe(TaskConfig) if field.name == "label_fraction")
    st.slider(
        plain(name),
        1,
        100,
        shown,
        key=key,
        format="%d %%",
        help=field.about,
        on_change=take,
    )
