"""Predictions: the probe images of a run, large, at any epoch."""

import streamlit as st

from mtl_core.runs.artifacts import probe_epochs
from ui.charts import colours_of, panel_style
from ui.guard import through_app
from ui.library import asked_run, no_runs, run_picker
from ui.sheets import epoch_slider, legend, probe_sheet
from ui.state import listing, run_store, torch_is_ready
from ui.words import plain


def main() -> None:
    runs = run_store().runs()
    st.title("Predictions", anchor=False)
    if not runs:
        no_runs("What a network predicts on the same images, epoch after epoch, appears here.")
        return
    run_id = asked_run(runs)
    if run_id is None:
        return
    run_picker(listing(run_store().home.as_posix()), run_id)
    run = run_store().get(run_id)
    epochs = probe_epochs(run_store().folder(run.id))
    if not epochs or not run.info:
        why = "it ended before the first ones" if run.status.is_ended() else "they appear when it begins to train"
        st.info(f"{plain(run.name)} has no predictions: {why}.")
        return
    epoch, tasks, columns = _choices(run, epochs)
    if tasks and torch_is_ready():
        _sheets(run, epoch, tasks, columns)


def _choices(run, epochs: list[int]) -> tuple[int, list[str], int]:
    """Epoch, tasks and size, all of them in the URL."""
    asked = st.query_params.get("epoch", "")
    if asked.isdigit() and int(asked) in epochs and f"predictions.epoch.{run.id}" not in st.session_state:
        st.session_state[f"predictions.epoch.{run.id}.chosen"] = int(asked)
    left, middle, right = st.columns([5, 5, 2], gap="large", vertical_alignment="bottom")
    with left:
        epoch = epoch_slider(run.id, epochs, key="predictions.epoch")
    names = list(run.info["tasks"])
    wanted = [name for name in st.query_params.get("tasks", "").split(",") if name in names]
    with middle:
        tasks = st.pills("Tasks", names, selection_mode="multi", default=wanted or names, key=f"predictions.tasks.{run.id}", persist_state="session")
    with right:
        columns = st.select_slider("Images in a row", [4, 6, 8], 8, key="predictions.columns", persist_state="session")
    st.query_params["epoch"] = str(epoch)
    if set(tasks) == set(names):
        st.query_params.pop("tasks", None)
    else:
        st.query_params["tasks"] = ",".join(tasks)
    if not tasks:
        st.info("Choose a task above to see its predictions.")
    return epoch, [name for name in names if name in tasks], columns


def _sheets(run, epoch: int, tasks: list[str], columns: int) -> None:
    panel_style(tasks, colours_of(run.config), prefix="sheet")
    for name in tasks:
        info = run.info["tasks"][name]
        with st.container(border=True, key=f"sheet_{name}"):
            st.markdown(f"**{plain(name)}** :gray[{plain(info.get('title') or info['kind'])}, after epoch {epoch}]")
            sheet = probe_sheet(run_store().folder(run.id), epoch, name, info, columns=columns)
            st.image(sheet, width="stretch", alt=f"Targets and predictions of {name} after epoch {epoch}")
            legend(name, info)


through_app()
main()
