"""Export of a run: files created in the background and offered as downloads, and its settings as YAML, command or script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from mtl_core.csv_text import csv_of
from mtl_core.exports import EXPORTS
from mtl_core.exports.export_jobs import ready, start, under_way
from mtl_core.exports.script import script
from mtl_core.exports.writing import format_of
from mtl_core.language import mark, tr
from mtl_core.runs import resume_and_fork
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import BEST_OF, kept_checkpoints
from ui.run.failure_card import full_log_button
from ui.shell import words
from ui.shell.error_boundary import is_ours, worded
from ui.shell.page_address import rerun_page
from ui.shell.state import EXPORT, hold_first, run_store
from ui.train.preset_changes import as_command, as_fork_command, nearest_preset

POLL_SECONDS = 1.0
NETWORKS = ("model", "onnx", "torch_export", "coco", "masks", "predictions", "zip")  # formats that depend on the checkpoint
COPIES = ("YAML", mark("Command"), mark("Python script"))
EVERYTHING = (mark("Everything, one zip"), mark("All exports in this list that this run has data for."))


def export_panel(run_id: str) -> None:
    """Draw the export panel, if the Export button of the run's header opened it: quick downloads, the form, and the files that were created."""
    asked = st.session_state.get("dialog") or {}
    if asked.get("kind") == EXPORT and asked["runs"] == [run_id]:
        with st.container(border=True, key="export"):
            _panel(run_id)


def _close() -> None:
    st.session_state.pop("dialog", None)


def _panel(run_id: str) -> None:
    store = run_store()
    run = store.get(run_id)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(tr("Export"), anchor=False, width="content")
        st.button(tr("Close"), icon=":material/close:", type="tertiary", key="export.close", on_click=_close)
    with st.container(horizontal=True):
        kept: dict[str, Any] = {"icon": ":material/download:", "on_click": "ignore"}
        st.download_button(tr("Scalars as CSV"), lambda: _csv(store, run.id), file_name=f"{run.id}-scalars.csv", mime="text/csv", key="csv", **kept)
        st.download_button(tr("Settings as YAML"), run.config.to_yaml(), file_name=f"{run.id}.yaml", mime="text/yaml", key="yaml", **kept)
        full_log_button(store, run, key="log.file")
    _take_away(run.id)
    st.caption(tr("Predictions and checkpoints are in `{folder}`.", folder=store.folder(run.id)))


def _csv(store: RunStore, run_id: str) -> str:
    return csv_of(store.scalars(run_id)[["step", "epoch", "key", "value", "wall_time"]])


def _take_away(run_id: str) -> None:
    """Draw the export form and the downloads. They refresh every second while a file is being created."""
    busy = any(job["state"] == "working" for job in under_way(run_store(), run_id).values())
    st.fragment(_exports, run_every=POLL_SECONDS if busy else None)(run_id, busy)


def copy_as(store: RunStore, run: Any) -> None:
    """Draw the run's settings as text to copy."""
    form = st.segmented_control(
        tr("Copy as"), COPIES, default="YAML", required=True, format_func=tr, key=f"copy_as.{run.id}", label_visibility="collapsed"
    )
    if form == "Command":
        st.code(_command(store, run), language="bash", height=360)
    elif form == "Python script":
        st.code(script(run), language="python", height=360)
    else:
        st.code(run.config.to_yaml(), language="yaml", height=360)


def _command(store: RunStore, run: Any) -> str:
    """The command that trains the same run."""
    alone = as_command(run.config, nearest_preset(run.config), tr("the text under “YAML”"))
    if run.parent:
        try:
            parent = store.get(run.parent)
        except Exception as error:
            if not is_ours(error):
                raise
            return f"# {tr('The run that this fork started from was deleted. This command trains from the beginning:')}\n{alone}"
        return as_fork_command(run.config, resume_and_fork.config_after(parent, run.parent_epoch), parent.id, run.parent_epoch)
    return alone


@worded
def _exports(run_id: str, was_busy: bool) -> None:
    store = run_store()
    jobs = under_way(store, run_id)
    busy = any(job["state"] == "working" for job in jobs.values())
    if busy != was_busy:
        rerun_page()  # before a download is drawn: a rerun just after a click on its button would lose the file
    _choice(run_id, jobs)
    for name, job in jobs.items():
        title = _about(name)[0]
        if job["state"] == "working":
            st.progress(job["share"], text=tr("{title}: {now}", title=title, now=words.plain(tr(job["what"]))))
        else:
            st.warning(tr("{title}: {problem}", title=title, problem=words.plain(tr(job["problem"]))), icon=":material/block:")
    for made in ready(store, run_id):
        _download(made)


def _choice(run_id: str, jobs: dict[str, Any]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(tr("Format"), [*EXPORTS, "zip"], format_func=lambda name: _about(name)[0], key=f"export.format.{run_id}", width=340)
        checkpoint = "best"
        if name in NETWORKS:
            tasks = sorted({task for kept in kept_checkpoints(run_store().folder(run_id)) for task in kept.best_of})
            options = ["best", "last", *(f"{BEST_OF}{task}" for task in tasks)]
            key = f"export.checkpoint.{run_id}"
            place = options.index(hold_first(key, "best", options))
            checkpoint = st.selectbox(tr("Network"), options, place, format_func=_network_in_words, key=key, width=200)
        working = jobs.get(name, {}).get("state") == "working"
        label = tr("Creating…") if working else tr("Create file")
        st.button(label, key=f"export.make.{run_id}", icon=":material/archive:", disabled=working, on_click=_start, args=(run_id, name, checkpoint))
    st.caption(_about(name)[1])
    if why := st.session_state.get(_refused(run_id)):
        st.error(words.plain(tr(why)), icon=":material/block:")


def _network_in_words(network: str) -> str:
    if network.startswith(BEST_OF):
        return tr("best of {task}", task=network.removeprefix(BEST_OF))
    return tr(network)


def _start(run_id: str, name: str, checkpoint: str) -> None:
    st.session_state.pop(_refused(run_id), None)
    try:
        start(run_store(), run_id, name, checkpoint or "best")
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[_refused(run_id)] = str(error)


def _refused(run_id: str) -> str:
    """Session key of the reason why the file that was asked for last is not created."""
    return f"export.refused.{run_id}"


def _download(made: Any) -> None:
    title = _about(made.name)[0]
    size = made.file.stat().st_size
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            title,
            lambda: Path(made.file).read_bytes(),
            file_name=made.file.name,
            mime="application/octet-stream",  # the browser saves the file and does not open it
            icon=":material/download:",
            on_click="ignore",
            key=f"export.download.{made.name}.{made.made_at}",
        )
        about = {"size": size / 1e6, "moment": words.moment(made.made_at), "step": made.step}
        st.caption(
            tr("{size:.1f} MB · created {moment} after step {step:,}, {checkpoint} network", **about, checkpoint=_network_in_words(made.checkpoint))
            if made.name in NETWORKS
            else tr("{size:.1f} MB · created {moment} after step {step:,}", **about)
        )


def _about(name: str) -> tuple[str, str]:
    """Title and summary, in the reader's language."""
    module = None if name == "zip" else format_of(name)
    title, summary = EVERYTHING if module is None else (module.TITLE, module.SUMMARY)
    return tr(title), tr(summary)
