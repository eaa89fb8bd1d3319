"""Controls of an evaluation: the buttons that start it, its progress, and its error."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.runs.background import evaluation_job
from mtl_core.runs.evaluations import Evaluation
from mtl_core.runs.store import RunStore
from mtl_core.training.checkpoint_files import KeptCheckpoint
from ui.shell import words
from ui.shell.error_boundary import is_ours, worded
from ui.shell.page_address import rerun_page
from ui.shell.state import last_refusal, run_action, run_store

POLL_SECONDS = 1.0


def job_controls(store: RunStore, run: Any, checkpoint: KeptCheckpoint, split: str, found: Evaluation | None) -> None:
    """Draw the buttons that start an evaluation, or the progress of the running one, and the error of the last one."""
    note = evaluation_job.state(store.folder(run.id))
    if note and note["state"] == "running":
        st.fragment(_progress, run_every=POLL_SECONDS)(run.id)
        return
    asked = str(checkpoint.epoch) if checkpoint.whole_epoch and not (checkpoint.is_best or checkpoint.is_last) else ""
    asked = asked or ("best" if checkpoint.is_best else "last")
    with st.container(horizontal=True, vertical_alignment="center"):
        if split == "test":
            label = tr("Evaluate on the test images again") if found else tr("Evaluate on the test images")
            _button(run, label, ["test"], asked, ":material/lock_open:")
        else:
            _button(
                run,
                tr("Evaluate on {split} again", split=tr(split)) if found else tr("Evaluate on {split}", split=tr(split)),
                [split],
                asked,
                ":material/fact_check:",
                primary=found is None,
            )
            _button(run, tr("Evaluate on train and val"), ["train", "val"], asked, ":material/compare:")
        if found is None:
            st.caption(
                tr("This checkpoint has not been evaluated on {split}. It takes about as long as the validation after an epoch.", split=tr(split))
            )
    if last_refusal(run.id):
        st.error(words.plain(tr(last_refusal(run.id))), icon=":material/error:")
    elif note and note["state"] in ("failed", "gone"):
        st.warning(
            tr("The last evaluation failed: {error}. Start it again to repeat it.", error=words.plain(tr(note["error"]))), icon=":material/error:"
        )


def _button(run: Any, label: str, splits: list[str], checkpoint: str, icon: str, primary: bool = False) -> None:
    key = f"evaluate.{run.id}.{'.'.join(splits)}"
    st.button(label, key=key, icon=icon, type="primary" if primary else "secondary", on_click=_start, args=(run.id, splits, checkpoint))


def _start(run_id: str, splits: list[str], checkpoint: str) -> None:
    run_action(run_id, evaluation_job.start, splits, checkpoint)


@worded
def _progress(run_id: str) -> None:
    try:
        note = evaluation_job.state(run_store().folder(run_id))
    except Exception as error:
        if not is_ours(error):
            raise
        note = None
    if not note or note["state"] != "running":
        rerun_page()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(1.0, note["share"]), text=tr("Evaluating: {words}", words=words.plain(tr(note["text"]))), width=420)
        st.button(tr("Cancel"), key=f"evaluate.end.{run_id}", icon=":material/stop:", on_click=lambda: evaluation_job.end(run_store().folder(run_id)))
