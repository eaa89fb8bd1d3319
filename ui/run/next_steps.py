"""What next: at the end of a run, the experiments that follow from it, each one click away."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.balancing import BALANCERS, RACED_AT_FIRST
from mtl_core.data import open_source
from mtl_core.language import tr
from mtl_core.part_titles import part_title
from mtl_core.runs import jobs, resume_and_fork
from mtl_core.studies.kinds import STUDY_KINDS
from ui.run.run_actions import clone_of, fork_of
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.state import go_to, run_store

SEEDS = 3  # of the offered study; the fewest that give an interval
MOST_TASKS = 6  # that have a button of their own


def next_steps(run: Any) -> None:
    """Draw the offers that fit the run."""
    tasks = list(run.config.tasks)
    if len(tasks) > 1:
        _row(
            tr("Is a task better off alone?"),
            tr("The same settings with one task."),
            [(tr("Train {task} alone", task=task), *_alone(run, task)) for task in tasks[:MOST_TASKS]],
        )
        others = [name for name in RACED_AT_FIRST if name != run.config.balancing.name]
        offers = [
            (tr("Try {method}", method=tr(part_title("balancing", name, BALANCERS))), clone_of, (run.id, f"balancing.name={name}")) for name in others
        ]
        _row(tr("Does another method change it?"), tr("The same settings with another balancing method."), offers)
        about = tr("A study repeats the run with {seeds} seeds and gives intervals. One seed proves nothing.", seeds=SEEDS)
        _row(tr(STUDY_KINDS.load(next(iter(STUDY_KINDS))).title), about, [(tr("Study with {seeds} seeds", seeds=SEEDS), _study, (run.id,))])
    added = addable(run)
    about = tr("Its head is trained. What the network has is frozen, so the other tasks' outputs stay the same.")
    _row(tr("Add a task to this network?"), about, [(tr("Add {task}", task=task), fork_of, (run.id, *changes)) for task, changes in added.items()])
    _row(tr("Where is it wrong?"), tr("The images with the largest errors."), [(tr("Look at the worst images"), _worst, (run.id,))])


def addable(run: Any) -> dict[str, tuple[Any, ...]]:
    """Tasks of the run's data set that its network can be given beside those it has -> the fork's epoch and changes."""
    store, epoch = run_store(), None
    for checkpoint in resume_and_fork.forkable(store, run.id):
        if checkpoint.is_best or epoch is None or checkpoint.is_last:
            epoch = checkpoint.epoch
            if checkpoint.is_best:
                break
    if epoch is None or not jobs.warmed():
        return {}
    try:
        names = [task.name for task in open_source(run.config.data).tasks() if task.name not in run.config.tasks and not task.superseded]
        found = {name: (epoch, *resume_and_fork.adding(run, [name])) for name in names[:MOST_TASKS]}
        for _, *changes in found.values():
            resume_and_fork.fork_config(run, epoch, [*changes, f"epochs={epoch + 1}"])
    except Exception as error:
        if not is_ours(error):
            raise
        return {}  # the scheme, or a data set that is gone, does not let it
    return found


def _alone(run: Any, task: str) -> tuple[Any, tuple[str, ...]]:
    return clone_of, (run.id, *(f"tasks.{other}=null" for other in run.config.tasks if other != task))


def _row(title: str, about: str, offers: list[tuple[str, Any, tuple[str, ...]]]) -> None:
    if not offers:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{words.plain(title)}** :gray[{words.plain(about)}]", width=430)
        for number, (label, go, args) in enumerate(offers):
            st.button(words.plain(label), key=f"next.{title}.{number}.{args[0]}", on_click=go, args=args)


def _study(run_id: str) -> None:
    st.session_state["study.kind"] = next(iter(STUDY_KINDS))
    st.session_state["study.base"] = f"run:{run_id}"
    st.session_state["study.seeds"] = SEEDS
    go_to("studies")


def _worst(run_id: str) -> None:
    go_to("predictions", run=run_id)
