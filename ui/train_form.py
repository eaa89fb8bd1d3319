"""The sections of the Train form. Each one reads and writes the settings; none of them holds any."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS
from mtl_core.balancing.cost import cost_of
from mtl_core.config import AugmentationConfig, OptimizerConfig, PartConfig, RunConfig, ScheduleConfig, TaskConfig
from mtl_core.data import DATA_SOURCES, open_source
from mtl_core.data.dataset import Task
from mtl_core.data.mnist_files import MNISTFiles, mnist_root, root_problem
from mtl_core.data.source import DataSource
from mtl_core.data.stored_set import StoredSet
from mtl_core.errors import ConfigError
from mtl_core.figures.colours import task_colours
from mtl_core.registry import Registry
from mtl_core.sharing import SHARING_SCHEMES
from mtl_core.tasks import SELF_SUPERVISED
from ui import origin, state
from ui.changes import automatic_name
from ui.forms import describe, draw_field, options_form
from ui.paths import path_problems
from ui.state import hold, read, run_store, settings, torch_is_ready
from ui.words import plain

FEW_OPTIONS = 3  # more are folded
MACHINE = ("device", "precision", "layout", "gradient_clip", "on_non_finite", "probe_samples", "keep_checkpoints")


def preset_section() -> None:
    """Which preset the settings began from; choosing one replaces them all."""
    presets = state.presets()
    hold("preset", state.preset_name())
    st.pills(
        "Preset",
        list(presets),
        default=state.preset_name(),
        key="preset",
        format_func=lambda name: presets[name].title,
        required=True,
        on_change=_take_preset,
        label_visibility="collapsed",
        wrap=True,
    )
    preset = presets[state.preset_name()]
    st.markdown(f"{preset.shows}  \n:small[:gray[:material/timer: {preset.measured}]]")
    if state.nameless(settings()) != state.nameless(preset.config.to_dict()):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(":small[:orange[:material/edit: Changed since the preset was chosen.]]", width="content")
            st.button("Back to the preset", key="reset", type="tertiary", on_click=state.choose_preset, args=(preset.name,))


def _take_preset() -> None:
    if st.session_state["preset"] and st.session_state["preset"] != state.preset_name():
        state.choose_preset(st.session_state["preset"])


def data_section() -> None:
    """Data set and its options."""
    part_chooser("Data set", DATA_SOURCES, "data", titled=True, changed=_take_all_tasks)
    source = offered_source()
    if source is not None:
        sizes = " · ".join(f"{count:,} {split}" for split, count in source.split_sizes().items())
        channels, height, width = source.image_shape()
        st.markdown(f":small[:gray[{sizes} images, {height} x {width} pixels, {'grey' if channels == 1 else 'colour'}]]")
        folder = mnist_to_fetch(source)
        if folder is not None:
            st.caption(f":material/download: MNIST's files are not in `{folder}` yet: they are fetched (11 MB) when the run starts.")
        fetch = source.to_fetch() if isinstance(source, StoredSet) else None
        if fetch is not None:
            st.caption(f":material/download: The files are not in `{fetch[0]}` yet: they are fetched ({fetch[1]:,} MB) when the run starts.")


def mnist_to_fetch(source: DataSource) -> Path | None:
    """The folder that a run would download MNIST's files into; None where it needs none or has them. Looks at file names only."""
    uses_mnist = settings()["data"]["name"] == "mnist" or getattr(source.options, "glyphs", "") == "mnist"
    if not uses_mnist or not source.options.download or root_problem(source.options.root, download=True):
        return None
    files = MNISTFiles(mnist_root(source.options.root))
    return files.folder if files.missing() else None


def _take_all_tasks() -> None:
    """Another data set has other tasks: begin with all of them."""
    settings()["tasks"] = {task.name: {"loss_weight": 1.0} for task in offered_tasks()}
    st.session_state["tasks_put_aside"] = {}


def offered_source() -> DataSource | None:
    """The chosen data set; None while its options are wrong or lead where they must not (the problems say how)."""
    if path_problems(settings()["data"]):
        return None
    try:
        return open_source(PartConfig(**settings()["data"]))
    except (ConfigError, TypeError, ValueError):
        return None


def offered_tasks() -> tuple[Task, ...]:
    """What the chosen data set can give targets for."""
    source = offered_source()
    return source.tasks() if source is not None else ()


def task_names() -> list[str]:
    """Tasks of the data set in its order, then the self-supervised ones, then chosen ones that are neither."""
    return list(dict.fromkeys([*(task.name for task in offered_tasks()), *SELF_SUPERVISED, *settings()["tasks"]]))


def tasks_section() -> None:
    """A check and a loss weight for each task of the data set, and for each self-supervised one."""
    offered = {task.name: task for task in offered_tasks()}
    names, colours = task_names(), task_colours(task_names())
    if origin.is_fork():
        known = origin.parent_config().tasks
        names = [name for name in names if name in known]
    made = [name for name in names if name in SELF_SUPERVISED and name not in offered]
    st.html("<style>" + "".join(f".st-key-task_{name}{{border-left:4px solid {colours[name]};padding-left:.7rem}}" for name in names) + "</style>")
    loss_weight = next(field for field in describe(TaskConfig) if field.name == "loss_weight")
    for name in names:
        if name not in made:
            with st.container(key=f"task_{name}"):
                _task_row(name, offered.get(name), names, loss_weight)
    if made:
        chosen = any(name in settings()["tasks"] for name in made)
        with st.expander(
            "Self-supervised: targets made from the pixels, no label needed", icon=":material/auto_fix_high:", expanded=chosen, key="made"
        ):
            for name in made:
                with st.container(key=f"task_{name}"):
                    _task_row(name, None, names, loss_weight, made=True)


def _made_task(name: str) -> str:
    """What a self-supervised task does; known once PyTorch is there."""
    from mtl_core.runs.jobs import warmed

    return plain(SELF_SUPERVISED.load(name).summary) if warmed() else "its targets are made from the pixels"


def _made_options(name: str) -> None:
    from mtl_core.runs.jobs import warmed

    if warmed():
        options_form(SELF_SUPERVISED.load(name).Options, ("tasks", name), columns=3)


def _task_row(name: str, task: Task | None, names: list[str], loss_weight: Any, made: bool = False) -> None:
    check, what, number = st.columns([3, 5, 3], vertical_alignment="center")
    key = f"task.{name}"
    chosen = name in settings()["tasks"]
    hold(key, chosen)
    check.checkbox(name, chosen, key=key, on_change=lambda: state.keep_task(name, st.session_state[key], names))
    if made:
        what.markdown(f":small[{_made_task(name)}]")
    elif task is None:
        what.markdown(":orange[not offered by this data set as set up above]")
    else:
        of = f", {len(task.classes)} classes" if task.classes else (f", in {task.unit}" if task.unit else "")
        what.markdown(f":small[{task.title or name}] :small[:gray[{task.kind.replace('_', ' ')}{of}]]")
    with number:
        if chosen:
            draw_field(loss_weight, ("tasks", name, "loss_weight"), f"Loss weight of {name}", hide_label=True)
        else:
            st.markdown(":small[:gray[not trained]]")
    if made and chosen:
        _made_options(name)


def fixed_section() -> None:
    """What a fork shares with the run it is made from, and why."""
    parts = (("Data set", DATA_SOURCES, "data"), ("Backbone", BACKBONES, "backbone"), ("Sharing", SHARING_SCHEMES, "sharing"))
    lines = [f":gray[{label}:] {_part_in_words(registry, settings()[key])}" for label, registry, key in parts]
    lines.append(f":gray[Batch size:] {settings()['batch_size']}")
    st.markdown("**As in the run it is forked from** :gray[:material/lock:]")
    st.markdown("  \n".join(lines))
    st.caption("The saved state fits this network only, and an epoch must stay as long as it was. To change one of these, clone the run instead.")


def _part_in_words(registry: Registry, part: dict[str, Any]) -> str:
    """Its title where that is known by now, and the options that differ from their defaults."""
    from mtl_core.runs.jobs import warmed

    if part["name"] not in registry or not (registry is DATA_SOURCES or warmed()):
        return plain(part["name"])
    loaded = registry.load(part["name"])
    defaults = {field.name: field.default for field in describe(loaded.Options)}
    changed = [f"{key.replace('_', ' ')} {value}" for key, value in part.items() if key != "name" and value != defaults.get(key)]
    return plain(", ".join([loaded.title, *changed]))


def network_section() -> None:
    """Backbone and balancing, side by side; only balancing for a fork."""
    if origin.is_fork():
        part_chooser("Balancing", BALANCERS, "balancing")
        return
    left, right = st.columns(2)
    with left:
        part_chooser("Backbone", BACKBONES, "backbone")
    with right:
        part_chooser("Balancing", BALANCERS, "balancing", label_of=lambda part: f"{part.title} · {part.family}", about=about_balancer)


def about_balancer(name: str, part: Any) -> str:
    """What a balancing method does, what it costs, and where it comes from."""
    cost = cost_of(name)
    facts = [f"Costs {cost.sentence()}." if cost else "", f"[{part.paper.cite()}]({part.paper.url})" if part.paper else ""]
    return " ".join([part.summary, *(fact for fact in facts if fact)])


def part_chooser(
    label: str,
    registry: Registry,
    key: str,
    *,
    titled: bool = False,
    columns: int = 2,
    changed: Any = None,
    label_of: Callable[[Any], str] = lambda part: part.title,
    about: Callable[[str, Any], str] = lambda _, part: part.summary,
) -> None:
    """A part by name, what it is, and its options. Parts that import torch show titles and options once it is there.

    Args:
        titled: the parts can be loaded without torch.
        changed: called after another part was chosen.
        label_of: the part's class -> its text in the list.
        about: name and class of the chosen part -> what is said below it.
    """
    from mtl_core.runs.jobs import warmed

    loadable = titled or warmed()
    current = read((key, "name"))
    names = [*registry, *([current] if current not in registry else [])]
    widget = f"set.{key}.name.{'titled' if loadable else 'named'}"  # another key, or the box would keep the plain name as its text
    hold(widget, current)

    def title(name: str) -> str:
        return label_of(registry.load(name)) if loadable and name in registry else name

    def take() -> None:
        if st.session_state[widget] == read((key, "name")):
            return  # the browser told the box's value anew, e.g. after its labels changed: nothing was chosen
        state.choose_part((key,), st.session_state[widget])
        if changed:
            changed()

    st.selectbox(label, names, names.index(current), key=widget, format_func=title, on_change=take)
    if current not in registry or not (loadable or torch_is_ready()):
        return
    part = registry.load(current)
    st.caption(about(current, part))
    if len(part.Options.model_fields) <= FEW_OPTIONS:
        options_form(part.Options, (key,), columns=columns)
    else:
        with st.expander(f"Options of {part.title}", icon=":material/tune:", key=f"options.{key}"):
            options_form(part.Options, (key,), columns=3)


def schedule_section() -> None:
    """How long, how many at a time, how fast."""
    fields = {field.name: field for field in describe(RunConfig)}
    rate = next(field for field in describe(OptimizerConfig) if field.name == "lr")
    places = st.columns(4)
    for place, name in zip(places, ("epochs", "batch_size", None, "seed"), strict=True):
        with place:
            if name is None:
                draw_field(rate, ("optimizer", "lr"))
            else:
                label = f"Epochs in all (from {origin.origin()['epoch']})" if name == "epochs" and origin.is_fork() else ""
                draw_field(fields[name], (name,), label, disabled=name == "batch_size" and origin.is_fork())


def advanced_section() -> None:
    """Everything else, folded."""
    with st.expander("Advanced: optimizer, schedule, augmentation, device, precision", icon=":material/tune:", key="advanced"):
        st.markdown("**Optimizer**")
        options_form(OptimizerConfig, ("optimizer",), columns=3, without=("lr",))
        st.markdown("**Learning rate over the run**")
        options_form(ScheduleConfig, ("schedule",))
        st.markdown("**Augmentation**")
        options_form(AugmentationConfig, ("augmentation",), columns=4)
        st.markdown("**Machine and record**")
        options_form(RunConfig, (), columns=4, only=MACHINE)
        if not origin.is_fork() and len({*SHARING_SCHEMES, read(("sharing", "name"))}) > 1:  # one scheme is no choice
            part_chooser("Sharing", SHARING_SCHEMES, "sharing")
        st.markdown("**Where runs train** :gray[for every run of this dashboard, not only this one]")
        executor_choice()


EXECUTOR_TITLES = {"thread": "In this server", "process": "In a process of its own"}


def executor_choice() -> None:
    """The store's executor: in this server, or in a process of its own."""
    from mtl_core.runs.jobs import EXECUTORS, executor_of

    fixed = os.environ.get("MTL_EXECUTOR", "")
    try:
        current = executor_of(run_store())
    except ConfigError as error:
        st.error(str(error))
        return
    hold("executor", current)
    st.segmented_control(
        "Where runs train",
        EXECUTORS,
        default=current,
        required=True,
        key="executor",
        format_func=EXECUTOR_TITLES.__getitem__,
        disabled=bool(fixed),
        on_change=_take_executor,
        label_visibility="collapsed",
    )
    about = "In this server, a run starts at once. In a process of its own it starts some seconds later, but a crash, a hang or lack of memory "
    about += "cannot take the dashboard down with it. Counts from the next run on."
    st.caption(f":material/lock: Fixed by MTL_EXECUTOR={fixed} in the server's environment. {about}" if fixed else about)


def _take_executor() -> None:
    run_store().set("executor", st.session_state["executor"])


def check_settings(values: dict[str, Any]) -> tuple[RunConfig | None, list[str]]:
    """The config, where there is one, and everything that keeps it from running, in words."""
    from mtl_core.runs.jobs import warmed

    try:
        config = RunConfig.from_dict(values)
    except ConfigError as error:
        return None, [str(problem) for problem in error.problems]
    found = path_problems(values["data"])
    if found:  # nothing is looked at there, not even to see what else is wrong
        return config, found
    if origin.is_fork():
        found = origin.fork_problems(config)
    if not found or not origin.is_fork():
        config = config.model_copy(update={"name": config.name or _automatic_name(config)})
    if not warmed() or found:
        return config, found
    return config, _problems(config.to_yaml())


def _automatic_name(config: RunConfig) -> str:
    return origin.fork_name(config) if origin.is_fork() else automatic_name(config)


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)  # not longer: what is missing on disk can be put right
def _problems(config: str) -> list[str]:
    from mtl_core.training.check import problems

    return [str(problem) for problem in problems(RunConfig.from_yaml(config))]


def yaml_section() -> None:
    """Settings from YAML text, e.g. from another run."""
    with st.expander("Use settings from YAML", icon=":material/content_paste:"), st.form("yaml", border=False):
        st.text_area(
            "YAML",
            key="yaml_text",
            height=180,
            label_visibility="collapsed",
            placeholder="data: {name: digits}\ntasks: {digit: {}}\nbackbone: {name: small_cnn}",
        )
        st.form_submit_button("Use these settings", icon=":material/check:", on_click=_take_yaml)
        for problem in st.session_state.pop("yaml_problems", []):
            st.error(problem)


def _take_yaml() -> None:
    try:
        st.session_state["settings"] = _from_yaml(st.session_state["yaml_text"]).to_dict()
    except ConfigError as error:
        st.session_state["yaml_problems"] = [str(problem) for problem in error.problems]


def _from_yaml(text: str) -> RunConfig:
    """A config whose parts and their options exist, so that the form can hold it."""
    from mtl_core.registry import validated
    from mtl_core.runs.jobs import warmed

    config = RunConfig.from_yaml(text)
    open_source(config.data)
    if warmed():
        for field, registry in (("backbone", BACKBONES), ("balancing", BALANCERS), ("sharing", SHARING_SCHEMES)):
            part = getattr(config, field)
            validated(registry.load(part.name, f"{field}.name").Options, part.options, field)
    return config
