"""Train: pick, look, press Train."""

import json

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.runs import jobs, lineage
from ui import data_form, origin, strategy_form, train_form
from ui.changes import as_command, as_fork_command
from ui.draft import keep_draft
from ui.guard import is_ours, through_app
from ui.preview import parameter_counts, parameters_bar, sample_panel
from ui.race_form import race_section
from ui.state import go_to, hold, preset_name, request_id, run_store, settings, torch_is_ready, used, wait_for
from ui.words import plain


def main() -> None:
    if "not_submitted" in st.session_state:
        st.error(f"Nothing was started. {plain(st.session_state.pop('not_submitted'))}", icon=":material/block:")
    form, beside = st.columns([11, 8], gap="large")
    with form:
        st.title("Fork a run" if origin.is_fork() else "Train several tasks in one network", anchor=False)
        origin.banner()
        if not origin.is_fork():
            train_form.preset_section()
        with st.container(border=True):
            section = train_form.fixed_section if origin.is_fork() else data_form.data_section
            section()
        with st.container(border=True):
            less = "; a fork can leave some out, not add any" if origin.is_fork() else ""
            st.markdown(f"**Tasks** :gray[and the weight of each one's loss{less}]")
            data_form.tasks_section()
        with st.container(border=True):
            train_form.network_section()
        with st.container(border=True):
            train_form.schedule_section()
        strategy_form.strategy_section()
        train_form.advanced_section()
        if not origin.is_fork():
            train_form.yaml_section()
    with beside, st.container(key="beside"):
        config = _beside()
    keep_draft(config)


def _beside() -> RunConfig | None:
    """What is drawn beside the form; the settings as a config, None where they are none."""
    checkable = jobs.warmed()  # asked before checking: when PyTorch arrives in between, the page is drawn anew
    config, problems = train_form.check_settings(settings())
    with st.container(border=True):
        _train_button(config, problems, checkable)
    if not origin.is_fork():
        race_section(ready=config is not None and not problems and checkable)
    if config is not None:
        if not problems and torch_is_ready():
            parameters_bar(parameter_counts(json.dumps(_network_of(config))), data_form.task_names())
        if data_form.offered_tasks():
            sample_panel(run_store(), config)
        with st.expander("Settings as YAML, and as a command", icon=":material/code:", key="as_text"):
            st.code(config.to_yaml(), language="yaml", height=300)
            st.code(_command(config), language="bash")
    return config


def _command(config) -> str:
    """The command line that does what the button does."""
    if origin.is_fork():
        return as_fork_command(config, origin.parent_config(), origin.origin()["run"], origin.origin()["epoch"])
    return as_command(config, preset_name(), "the settings above")


def _network_of(config) -> dict:
    """The part of the settings that decides the network's size, so that it is not counted anew for a new learning rate."""
    values = config.to_dict()
    kept = {key: values[key] for key in ("data", "tasks", "backbone", "sharing", "balancing")}
    kept["tasks"] = {name: {**task, "loss_weight": 1.0} for name, task in kept["tasks"].items()}
    return kept


def _train_button(config, problems: list[str], checkable: bool) -> None:
    """Name and Train, which can be pressed once the settings were checked and nothing is wrong with them."""
    st.text_input(
        "Name of the run",
        settings()["name"],
        key="set.name",
        placeholder=config.title() if config else "",
        max_chars=120,
        on_change=_take_name,
        label_visibility="collapsed",
    )
    off = config is None or bool(problems) or not checkable
    label, icon = ("Fork and train", "fork_right") if origin.is_fork() else ("Train", "play_arrow")
    click = {"on_click": _submit, "args": (request_id(),)}
    st.button(label, type="primary", icon=f":material/{icon}:", width="stretch", disabled=off, key="train", **click)
    for remark in train_form.remarks(config) if config and not problems and checkable else []:
        st.warning(plain(remark), icon=":material/info:")
    for problem in problems:
        st.error(plain(problem), icon=":material/block:")
    if problems:
        st.caption(f"{label} is off until this is put right.")
    elif not checkable:
        st.caption(f"PyTorch is still being loaded; {label} can be pressed in a few seconds.")
    if not checkable:
        wait_for("torch")


def _submit(request: str) -> None:
    """In a callback, because a click that is looked for where the button is drawn gets lost when the page is being drawn anew just then.

    Args:
        request: made when the button was drawn. A second click asks with the same one, and is shown the same run.
    """
    config, problems = train_form.check_settings(settings())
    if config is None or problems:
        return
    try:
        run = _asked_for(config, request)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["not_submitted"] = str(error)
        return
    used(request)
    go_to("run", run=run.id)


def _asked_for(config, request: str):
    store = run_store()
    if not origin.is_fork():
        return jobs.submit(store, config, request_id=request)
    run = lineage.fork(store, origin.origin()["run"], origin.origin()["epoch"], config, request_id=request)
    jobs.start_worker(store)
    origin.leave()
    return run


def _take_name() -> None:
    settings()["name"] = st.session_state["set.name"]


through_app()
origin.take_origin()
hold("set.name", settings()["name"])
main()
