"""The sections of the Train form. Each section reads and writes the session's settings and stores none itself."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import streamlit as st
from pydantic import ValidationError

from mtl_core.analysis.trained_parts import trained_in_words
from mtl_core.backbones import BACKBONES
from mtl_core.balancing import BALANCERS, RACED_AT_FIRST
from mtl_core.balancing.cost import cost_of
from mtl_core.config import RunConfig
from mtl_core.config_sections import AugmentationConfig, BackboneConfig, OptimizerConfig, PartitionConfig, ScheduleConfig
from mtl_core.data import DATA_SOURCES
from mtl_core.errors import ConfigError, Problem
from mtl_core.language import tr
from mtl_core.registry import Registry, validated
from mtl_core.sharing import SHARING_SCHEMES
from ui.shell.model_forms import PROBLEMS, Field, describe, draw_field, options_form
from ui.shell.server_paths import path_problems, weights_path_problems
from ui.shell.state import read, settings
from ui.shell.words import plain
from ui.train import clone_and_fork
from ui.train.backbone_panel import backbone_panel
from ui.train.data_form import data_in_words
from ui.train.executor_form import executor_choice
from ui.train.folded_section import folded_section
from ui.train.part_form import part_chooser
from ui.train.run_length import conflict_measurements, length_in_words
from ui.train.selection_form import selection_section

MACHINE = (
    "device",
    "precision",
    "layout",
    "accumulate",
    "gradient_clip",
    "gradient_clip_over",
    "on_non_finite",
    "probe_samples",
    "keep_checkpoints",
    "keep_best_of_tasks",
)
TRAINED = ("freeze", "freeze_stages", "freeze_epochs", "lr_factor", "layer_decay")  # of the backbone; a fork can change them


def fixed_section() -> None:
    """Draw what a fork shares with its parent, and why."""
    parts = ((tr("Data set"), DATA_SOURCES, "data"), (tr("Backbone"), BACKBONES, "backbone"), (tr("Sharing"), SHARING_SCHEMES, "sharing"))
    lines = [f":gray[{tr('{label}:', label=label)}] {_part_in_words(registry, settings()[key])}" for label, registry, key in parts]
    lines.append(tr(":gray[Batch size:] {batch_size}", batch_size=settings()["batch_size"]))
    st.markdown(tr("**Fixed: as in the forked run** :gray[:material/lock:]"))
    st.markdown("  \n".join(lines))
    st.caption(
        tr("The checkpoint fits only this network, and the length of an epoch must not change. To change one of these, clone the run instead.")
    )


def _part_in_words(registry: Registry, part: dict[str, Any]) -> str:
    """A part's title, or its name until PyTorch is loaded, and the options that differ from their defaults."""
    from mtl_core.runs.jobs import warmed

    if part["name"] not in registry or not (registry is DATA_SOURCES or warmed()):
        return plain(part["name"])
    loaded = registry.load(part["name"])
    defaults = {field.name: field.default for field in describe(loaded.Options)}
    changed = [f"{key.replace('_', ' ')} {value}" for key, value in part.items() if key in defaults and value != defaults[key]]
    return plain(tr(", ").join([tr(loaded.title), *changed, *(data_in_words(part) if registry is DATA_SOURCES else [])]))


def network_section() -> None:
    """Draw backbone and balancing; only balancing for a fork."""
    if clone_and_fork.is_fork():
        _balancing()
        trained = partial(options_form, BackboneConfig, ("backbone",), columns=3, only=TRAINED)
        folded_section("frozen", tr("What of the backbone is trained"), ":material/ac_unit:", trained)
        _trained()
        return
    left, right = st.columns(2)
    with left:
        part_chooser(tr("Backbone"), BACKBONES, "backbone")
        folded_section("weights", tr("Starting weights, freezing"), ":material/ac_unit:", _weights)
        _trained()
    with right:
        _balancing()
    _compared()


def _weights() -> None:
    options_form(BackboneConfig, ("backbone",), columns=2, without=("name",))
    st.caption(about_weights())


def _compared() -> None:
    """Draw the table of all backbones; nothing while the settings are no valid config."""
    from mtl_core.runs.jobs import warmed

    if not warmed() or path_problems(settings()["data"]):
        return
    try:
        config = RunConfig.from_dict(settings())
    except ConfigError:
        return
    backbone_panel(config)


def _trained() -> None:
    """Say what is trained; nothing while the settings are no valid config."""
    try:
        st.caption(plain(trained_in_words(RunConfig.from_dict(settings()))))
    except ConfigError:
        return


def _balancing() -> None:
    label = {"label_of": lambda part: f"{tr(part.title)} · {tr(part.family)}", "about": about_balancer}
    part_chooser(tr("Balancing (type to search, ★ to start with)"), BALANCERS, "balancing", first=RACED_AT_FIRST, **label)


def about_weights() -> str:
    """What is published for the chosen backbone, once PyTorch is loaded."""
    from mtl_core.runs.jobs import warmed

    part = settings()["backbone"]
    if not warmed() or part["name"] not in BACKBONES:
        return ""
    backbone = BACKBONES.load(part["name"])
    try:
        options = validated(backbone.Options, BackboneConfig(**{**part, "weights": "none"}).options, "backbone")
    except (ConfigError, ValidationError):
        return ""  # the form's problems name what is wrong
    published = backbone.published_weights(options)
    if published is None:
        why = backbone.unpublished(options)
        return plain(tr(why)).capitalize() if why else tr("No weights are published for this backbone.")
    where = (
        tr("in the Python package {package}", package=published.package.replace("_", "-"))
        if published.package
        else tr("fetched once, at the start of a run")
    )
    return tr(
        "Published weights: {trained_on}; {megabytes:.0f} MB, {where}. Licence: {licence}.",
        trained_on=tr(published.trained_on),
        megabytes=published.megabytes,
        where=where,
        licence=published.licence,
    )


def about_balancer(name: str, part: Any) -> str:
    """A balancing method's summary, cost and paper."""
    cost = cost_of(name)
    facts = [tr("Costs {cost}.", cost=cost.sentence()) if cost else "", f"[{part.paper.cite()}]({part.paper.url})" if part.paper else ""]
    return " ".join([tr(part.summary), *(fact for fact in facts if fact)])


def schedule_section() -> None:
    """Draw epochs, batch size, learning rate and seed."""
    fields = {field.name: field for field in describe(RunConfig)}
    rate = next(field for field in describe(OptimizerConfig) if field.name == "lr")
    places = st.columns(4)
    for place, name in zip(places, ("epochs", "batch_size", None, "seed"), strict=True):
        with place:
            if name is None:
                draw_field(rate, ("optimizer", "lr"))
            else:
                label = tr("Epochs in all") if name == "epochs" and clone_and_fork.is_fork() else ""
                draw_field(fields[name], (name,), label, disabled=name == "batch_size" and clone_and_fork.is_fork())

    said = length_in_words()
    if said:
        st.caption(said)


def advanced_section() -> None:
    """Draw all other settings, folded."""
    folded_section("advanced", tr("Advanced: optimizer, schedule, augmentation, device, precision"), ":material/tune:", _advanced)


def _advanced() -> None:
    st.markdown(tr("**Optimizer**"))
    options_form(OptimizerConfig, ("optimizer",), columns=3, without=("lr",))
    st.markdown(tr("**Learning rate over the run**"))
    options_form(ScheduleConfig, ("schedule",))
    st.markdown(tr("**Augmentation** :gray[random changes of the training images; the sample beside the form shows them]"))
    options_form(AugmentationConfig.with_added(), ("augmentation",), columns=4)
    st.markdown(tr("**The best checkpoint** :gray[chosen by the tasks' metrics on val, never by test]"))
    selection_section()
    if not clone_and_fork.is_fork():
        _seeds_of_data()
    st.markdown(tr("**Device and records**"))
    options_form(RunConfig, (), columns=4, only=(*MACHINE, "conflict_every"), choices={"device": _device_choices()})
    conflict_measurements()
    _devices()
    if not clone_and_fork.is_fork() and len({*SHARING_SCHEMES, read(("sharing", "name"))}) > 1:  # with one scheme there is no choice
        part_chooser(tr("Sharing"), SHARING_SCHEMES, "sharing")
    st.markdown(tr("**Where runs train** :gray[for all runs of this dashboard]"))
    executor_choice()


def _device_choices() -> tuple[str, ...]:
    """What a form offers for ``device``: the kinds, and each GPU where there are several."""
    from mtl_core.runs.jobs import warmed

    offered = ["auto", "cpu", "cuda", "mps"]
    if warmed():
        from mtl_core.training.execution import devices_here

        offered += [device for device in devices_here() if device not in offered]
    return tuple(offered)


def _devices() -> None:
    """Draw how many devices train the run together, where there are several GPUs, or where the settings name more than one device."""
    from mtl_core.runs.jobs import warmed

    now = settings().get("devices", 1)
    choices: list[int | str] = []
    if warmed():
        from mtl_core.training.several_devices.device_count import device_choices

        choices = device_choices()
    if len(choices) > 1 or now != 1:
        about = RunConfig.model_fields["devices"].description or ""
        draw_field(Field("devices", "choice", 1, about, choices=(*choices,), words={"all": "All"}), ("devices",))


def _seeds_of_data() -> None:
    """Draw the seeds beside the run's: of the images, where the data set has one, and of the partition."""
    st.markdown(tr("**Seeds of the data** :gray[they decide which images there are and which labels they keep; the run's own seed is above]"))
    name = settings()["data"]["name"]
    fields = [
        (field, ("data", "seed")) for field in (describe(DATA_SOURCES.load(name).Options) if name in DATA_SOURCES else []) if field.name == "seed"
    ]
    fields += [(field, ("data", "partition", "seed")) for field in describe(PartitionConfig) if field.name == "seed"]
    for place, (field, path) in zip(st.columns(4), fields, strict=False):
        with place:
            draw_field(field, path)


def check_settings(values: dict[str, Any]) -> tuple[RunConfig | None, list[str]]:
    """The config, None if the settings are invalid, and every problem that keeps it from running, in words."""
    config, found = _checked(values)
    return config, [str(problem) for problem in found]


def note_problems(values: dict[str, Any]) -> None:
    """Leave the problems for the widgets of their settings, which show them below themselves."""
    st.session_state[PROBLEMS] = {problem.field: problem.message for problem in _checked(values)[1] if isinstance(problem, Problem)}


def _checked(values: dict[str, Any]) -> tuple[RunConfig | None, list[Problem | str]]:
    from mtl_core.runs.jobs import warmed

    if not values["tasks"]:
        return None, [tr("No task is chosen. Tick at least one task.")]
    try:
        config = RunConfig.from_dict(values)
    except ConfigError as error:
        return None, list(error.problems)
    found: list[Problem | str] = [*path_problems(values["data"]), *weights_path_problems(values["backbone"])]
    if found:  # no file there is read, not even to find further problems
        return config, found
    if clone_and_fork.is_fork():
        found = list(clone_and_fork.fork_problems(config))
    if not found or not clone_and_fork.is_fork():
        config = config.model_copy(update={"name": config.name or _automatic_name(config)})
    if not warmed() or found:
        return config, found
    return config, [Problem(*each) for each in _problems(json.dumps(config.to_dict()))]


def _automatic_name(config: RunConfig) -> str:
    return clone_and_fork.fork_name(config) if clone_and_fork.is_fork() else ""  # the store makes the name of any other run


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)  # not longer: a user may add files that are missing on disk
def _problems(config: str) -> list[tuple[str, str]]:
    from mtl_core.training.check import problems

    return [(problem.field, problem.message) for problem in problems(RunConfig.from_dict(json.loads(config)))]


def remarks(config: RunConfig) -> list[str]:
    """Remarks on valid settings."""
    from mtl_core.training.check import remarks as found

    return found(config)
