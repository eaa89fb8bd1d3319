"""Train: the form of a run, a sample of its data, and the Train button."""

from functools import partial

import streamlit as st

from mtl_core.config import RunConfig
from mtl_core.figures.colours import task_colours
from mtl_core.language import tr
from mtl_core.run_names import run_name
from mtl_core.runs import jobs, resume_and_fork
from ui.drawing.network_panel import network_panel, network_text
from ui.shell.error_boundary import is_ours, run_inside_app
from ui.shell.form_editions import form_key
from ui.shell.state import end_request, go_to, hold, preset_name, request_id, run_store, settings, torch_is_ready, wait_for
from ui.shell.words import plain
from ui.train import clone_and_fork, data_form, preset_choice, strategy_form, train_form
from ui.train.folded_section import folded_section
from ui.train.form_autosave import keep_draft
from ui.train.pasted_settings import yaml_section
from ui.train.preflight_panel import preflight_panel
from ui.train.preset_changes import as_command, as_fork_command
from ui.train.race_form import race_section
from ui.train.sample_preview import parameter_counts, parameters_bar, prepare_sample, sample_panel
from ui.train.selection_form import forget_removed_tasks

NAME = "set.name"  # of the field, see ``form_key``


def main() -> None:
    if "not_submitted" in st.session_state:
        why = plain(tr(st.session_state.pop("not_submitted")))
        st.error(tr("The run was not started. {why}", why=why), icon=":material/block:")
    forget_removed_tasks()
    prepare_sample(run_store(), settings())  # before the form is drawn, so that the data are there sooner
    train_form.note_problems(settings())
    form, beside = st.columns([11, 8], gap="large")
    with form:
        st.title(tr("Fork a run") if clone_and_fork.is_fork() else tr("Train several tasks in one network"), anchor=False)
        clone_and_fork.banner()
        if not clone_and_fork.is_fork():
            preset_choice.preset_section()
        with st.container(border=True):
            section = train_form.fixed_section if clone_and_fork.is_fork() else data_form.data_section
            section()
        with st.container(border=True):
            if clone_and_fork.is_fork():
                st.markdown(tr("**Tasks** :gray[and the weight of each task's loss; a fork can drop tasks; a run's page offers to add one]"))
            else:
                st.markdown(tr("**Tasks** :gray[and the weight of each task's loss]"))
            data_form.tasks_section()
        with st.container(border=True):
            train_form.network_section()
        with st.container(border=True):
            train_form.schedule_section()
        strategy_form.strategy_section()
        train_form.advanced_section()
        if not clone_and_fork.is_fork():
            yaml_section()
    with beside, st.container(key="beside"):
        config = _side_panel()
    keep_draft(config)


def _side_panel() -> RunConfig | None:
    """Draw the panel beside the form. Returns the settings as a config; None where they are invalid."""
    checkable = jobs.warmed()  # read before the check: if PyTorch finishes loading in between, the page reruns
    config, problems = train_form.check_settings(settings())
    with st.container(border=True):
        _train_button(config, problems, checkable, checkable or preset_choice.runs_unchecked())
        if config is not None and not problems and checkable and not clone_and_fork.is_fork():
            preflight_panel(config)
    if not clone_and_fork.is_fork():
        race_section(ready=config is not None and not problems and checkable)
    if config is not None:
        if not problems and torch_is_ready():
            parameters_bar(parameter_counts(network_text(config, "balancing")), data_form.task_names())
        if data_form.offered_tasks():
            sample_panel(run_store(), config)
        if not problems and jobs.warmed():
            with st.expander(tr("The network, and who reads what"), icon=":material/account_tree:", expanded=True, key="network"):
                network_panel(config, task_colours(data_form.task_names()))
        folded_section("as_text", tr("Settings as YAML and as a command"), ":material/code:", partial(_as_text, config))
    return config


def _as_text(config: RunConfig) -> None:
    st.code(config.to_yaml(), language="yaml", height=300)
    st.code(_command(config), language="bash")


def _command(config) -> str:
    """The command line that starts the same run as the button."""
    if clone_and_fork.is_fork():
        return as_fork_command(config, clone_and_fork.parent_config(), clone_and_fork.origin()["run"], clone_and_fork.origin()["epoch"])
    return as_command(config, preset_name(), tr("the settings above"))


def _train_button(config, problems: list[str], checkable: bool, ready: bool) -> None:
    """Draw the name field and the Train button. The button is enabled once the settings are checked and valid.

    Args:
        checkable: PyTorch is loaded, which the check needs.
        ready: the settings are checked, or need no check (``preset_choice.runs_unchecked``).
    """
    st.text_input(
        tr("Name of the run"),
        settings()["name"],
        key=form_key(NAME),
        placeholder=(config.name or run_name(config).title) if config else "",
        on_change=_take_name,
        args=(form_key(NAME),),
        help=tr("Optional. An empty field takes the name shown in it, which is made from the settings."),
    )
    off = config is None or bool(problems) or not ready
    label, icon = (tr("Fork and train"), "fork_right") if clone_and_fork.is_fork() else (tr("Train"), "play_arrow")
    click = {"on_click": _submit, "args": (request_id(),)}
    st.button(label, type="primary", icon=f":material/{icon}:", width="stretch", disabled=off, key="train", **click)
    for remark in train_form.remarks(config) if config and not problems and checkable else []:
        st.warning(plain(tr(remark)), icon=":material/info:")
    for problem in problems:
        st.error(plain(tr(problem)), icon=":material/block:")
    if problems:
        st.caption(tr("{label} is disabled until this is corrected.", label=label))
    elif not checkable:
        st.caption(
            tr("PyTorch is still loading; the run starts once it is loaded.")
            if ready
            else tr("PyTorch is still loading; {label} is enabled in a few seconds.", label=label)
        )
    if not checkable:
        wait_for("torch")


def _submit(request: str) -> None:
    """Start the run. This is a callback because a click that is read where the button is drawn gets lost when the page reruns at that moment.

    Args:
        request: id made when the button was drawn. A second click sends the same id and opens the same run.
    """
    config, problems = train_form.check_settings(settings())
    if config is None or problems:
        return
    try:
        run = _start_run(config, request)
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state["not_submitted"] = str(error)
        return
    end_request(request)
    go_to("run", run=run.id)


def _start_run(config, request: str):
    store = run_store()
    if not clone_and_fork.is_fork():
        return jobs.submit(store, config, request_id=request)
    run = resume_and_fork.fork(store, clone_and_fork.origin()["run"], clone_and_fork.origin()["epoch"], config, request_id=request)
    jobs.start_worker(store)
    clone_and_fork.restore_settings()
    return run


def _take_name(key: str) -> None:
    if key == form_key(NAME):
        settings()["name"] = st.session_state[key]


run_inside_app()
clone_and_fork.take_origin()
hold(form_key(NAME), settings()["name"])
main()
