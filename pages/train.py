"""Train: pick, look, press Train."""

import json
import time

import streamlit as st

from mtl_core.errors import MTLError
from mtl_core.runs import jobs
from ui import train_form
from ui.guard import through_app
from ui.preview import parameter_counts, parameters_bar, sample_panel
from ui.state import hold, preset_name, run_store, settings, torch_is_ready, wait_for

DOUBLE_CLICK_SECONDS = 2.0  # a second click within this time is the first one's echo


def main() -> None:
    _show_what_was_submitted()
    form, beside = st.columns([11, 8], gap="large")
    with form:
        st.title("Train several tasks in one network", anchor=False)
        train_form.preset_section()
        with st.container(border=True):
            train_form.data_section()
        with st.container(border=True):
            st.markdown("**Tasks** :gray[and the weight of each one's loss]")
            train_form.tasks_section()
        with st.container(border=True):
            train_form.network_section()
        with st.container(border=True):
            train_form.schedule_section()
        train_form.advanced_section()
        train_form.yaml_section()
    with beside, st.container(key="beside"):
        _beside()


def _beside() -> None:
    checkable = jobs.warmed()  # asked before checking: when PyTorch arrives in between, the page is drawn anew
    config, problems = train_form.check_settings(settings())
    with st.container(border=True):
        _train_button(config, problems, checkable)
    if config is not None:
        if not problems and torch_is_ready():
            parameters_bar(parameter_counts(json.dumps(_network_of(config))), train_form.task_names())
        if train_form.offered_tasks():
            sample_panel(run_store(), settings()["data"], list(config.tasks))
        with st.expander("Settings as YAML, and as a command", icon=":material/code:", key="as_text"):
            st.code(config.to_yaml(), language="yaml", height=300)
            st.code(train_form.as_command(config, preset_name()), language="bash")


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
        key="set.name",
        placeholder=config.title() if config else "",
        max_chars=120,
        on_change=_take_name,
        label_visibility="collapsed",
    )
    off = config is None or bool(problems) or not checkable
    st.button("Train", type="primary", icon=":material/play_arrow:", width="stretch", disabled=off, key="train", on_click=_submit)
    for problem in problems:
        st.error(problem, icon=":material/block:")
    if problems:
        st.caption("Train is off until this is put right.")
    elif not checkable:
        st.caption("PyTorch is still being loaded; Train can be pressed in a few seconds.")
    if not checkable:
        wait_for("torch")


def _submit() -> None:
    """In a callback, because a click that is looked for where the button is drawn gets lost when the page is being drawn anew just then."""
    config, problems = train_form.check_settings(settings())
    if config is None or problems or time.monotonic() - st.session_state.get("submitted_at", -DOUBLE_CLICK_SECONDS) < DOUBLE_CLICK_SECONDS:
        return
    st.session_state["submitted_at"] = time.monotonic()
    try:
        st.session_state["show_run"] = jobs.submit(run_store(), config).id
    except MTLError as error:
        st.session_state["not_submitted"] = str(error)


def _show_what_was_submitted() -> None:
    """To the new run's page; or why there is none."""
    if "show_run" in st.session_state:
        st.switch_page("pages/run.py", query_params={"run": st.session_state.pop("show_run")})
    if "not_submitted" in st.session_state:
        st.error(f"Nothing was started. {st.session_state.pop('not_submitted')}", icon=":material/block:")


def _take_name() -> None:
    settings()["name"] = st.session_state["set.name"]


through_app()
hold("set.name", settings()["name"])
main()
