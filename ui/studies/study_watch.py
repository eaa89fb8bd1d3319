"""What to do about a study that trains: tasks that lose by sharing, and comparisons that are decided or out of reach."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.runs import jobs
from mtl_core.runs.status import RunStatus
from mtl_core.studies import study_actions as studies
from mtl_core.studies.answer import Answer
from mtl_core.studies.transfer_alarm import TransferAlarm, drop_task, transfer_alarms
from mtl_core.studies.verdict import LEAST_SEEDS, MOST_SEEDS, Word
from ui.shell import words
from ui.shell.error_boundary import is_ours
from ui.shell.state import go_to, listing, run_store

SHOWN = 3  # alarms


def watch(answer: Answer) -> None:
    """Draw the alarms and the offer to stop early, while a run of the study waits or trains."""
    for alarm in transfer_alarms(run_store(), answer)[:SHOWN]:
        _alarm(alarm)
    if said := stopping_reason(answer):
        _offer_to_stop(answer.study.id, said)


def stopping_reason(answer: Answer) -> str:
    """Why the runs that are left may be stopped; empty where they may still decide something."""
    left = answer.total - answer.count(*(status.value for status in RunStatus if status.is_ended()))
    if not left or not answer.lines or not all(line.verdict and line.verdict.difference.n >= LEAST_SEEDS for line in answer.lines):
        return ""
    found = [line.verdict for line in answer.lines if line.verdict]
    undecided = [each for each in found if each.word == Word.UNKNOWN]
    if not undecided:
        return tr("Every comparison is decided by the runs that have finished.")
    if len(undecided) == len(found) and all(each.more_seeds is None for each in undecided):
        return tr(
            "With the present mean and spread, more than {most_seeds} seeds would be needed to decide any comparison (estimate).",
            most_seeds=MOST_SEEDS,
        )
    return ""


def _alarm(alarm: TransferAlarm) -> None:
    task, run = words.plain(alarm.task), f"run?run={alarm.run_id}"
    below = mark(
        ":material/warning: **{task} does worse than alone.** After epoch {epoch} of [seed {seed}]({run}) its {title} is "
        "{value:.3g}, below {edge:.3g}, the lower end of the band of {baselines} networks that have the task alone."
    )
    above = mark(
        ":material/warning: **{task} does worse than alone.** After epoch {epoch} of [seed {seed}]({run}) its {title} is "
        "{value:.3g}, above {edge:.3g}, the upper end of the band of {baselines} networks that have the task alone."
    )
    with st.container(border=True, gap="small"):
        st.markdown(
            tr(
                below if alarm.metric.higher_is_better else above,
                task=task,
                epoch=alarm.epoch,
                seed=alarm.seed,
                run=run,
                title=words.plain(tr(alarm.metric.title)),
                value=alarm.value,
                edge=alarm.low if alarm.metric.higher_is_better else alarm.high,
                baselines=alarm.baselines,
            )
        )
        st.caption(tr("The band is where one further network for this task alone is expected (95 %). It is a sign, not a verdict."))
        about = tr(
            "Two forks from the newest checkpoint: one in which the loss of this task counts for nothing, and one unchanged. Their difference is "
            "the effect of the task."
        )
        act = partial(drop_task, run_id=alarm.run_id, task=alarm.task)
        key = f"drop.{alarm.run_id}.{alarm.task}"
        st.button(tr("Drop {task} from here (2 runs)", task=task), icon=":material/alt_route:", key=key, help=about, on_click=_act, args=(act,))


def _offer_to_stop(study_id: str, said: str) -> None:
    with st.container(border=True, gap="small"):
        st.markdown(f":material/flag: {words.plain(said)}")
        st.caption(
            tr(
                "Of simulated studies without a difference that stopped where this is offered, about 4 % gave a false verdict. Of those that "
                "stopped at their first verdict, 16 % did. For a paper, let the planned seeds finish."
            )
        )
        key = f"stop_early.{study_id}"
        with st.popover(tr("Stop the runs that are left"), icon=":material/stop_circle:", key=f"{key}.popover"):
            st.markdown(tr("Runs that have finished stay, and *Go on* trains the others later."))
            st.button(tr("Stop them"), type="primary", key=key, on_click=_act, args=(partial(studies.stop, study_id=study_id),))


def _act(action: Any) -> None:
    """Run an action of a button on the store. A refusal is kept as a sentence for the page."""
    study_id = st.query_params.get("study", "")
    try:
        action(run_store())
        jobs.start_worker(run_store())
    except Exception as error:
        if not is_ours(error):
            raise
        st.session_state[f"study.{study_id}.refused"] = tr(str(error))
    listing.clear()
    go_to("studies", study=study_id)
