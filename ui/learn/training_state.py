"""How a training of a lesson stands: its estimated time before it, its place in the queue, its progress and Stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.class_board import expected_run, waits
from mtl_core.lessons.lesson import Lesson
from mtl_core.lessons.lesson_runs import finished_runs
from mtl_core.runs import actions
from ui.run.failure_card import goes_on
from ui.run.run_actions import stop_button
from ui.shell import words
from ui.shell.state import run_action, run_store

STOPPING = "stopping"


def training_time(name: str, lesson: Lesson, value: Any) -> str:
    """About how long the training with a value takes: from runs of the lesson on this machine, else as it was measured when the lesson was made."""
    several, one = len(lesson.configs(value)), expected_run(name, lesson, value, finished_runs(run_store(), name))
    if one is not None:
        told = {"several": several, "duration": words.duration(max(1.0, several * one))}
        if several > 1:
            return tr("{several} runs, about {duration} (estimate from runs on this machine)", **told)
        return tr("about {duration} (estimate from runs on this machine)", **told)
    told = {"several": several, "duration": words.duration(lesson.seconds_of(value))}
    if several > 1:
        return tr("{several} runs, about {duration} of one CPU core (estimate; a busy machine takes longer)", **told)
    return tr("about {duration} of one CPU core (estimate; a busy machine takes longer)", **told)


def training_state(runs: Sequence[Any]) -> None:
    """Draw how far the runs of a training are."""
    ended = [run for run in runs if run.status.is_ended()]
    going = next((run for run in runs if run.status.is_active()), None)
    if len(ended) == len(runs):
        seconds = sum(run.seconds for run in runs)
        st.markdown(tr(":green[:material/check_circle: Trained] :gray[in {duration}]", duration=words.duration(seconds)))
        return
    if going is None:
        waiting = next(run for run in runs if not run.status.is_ended())
        said = (words.in_line(waiting), goes_on(run_store(), waiting), _begins(waits(run_store()).get(waiting.id)))
        st.markdown(f":material/hourglass_empty: {' '.join(filter(None, said))}")
        st.button(tr("Remove from the queue"), key=f"lesson.stop.{waiting.id}", type="tertiary", on_click=_stop_all, args=([run.id for run in runs],))
        return
    done = (len(ended) + going.progress) / len(runs)
    left = words.time_left(going)
    said = tr("run {number} of {runs} · {time_left}", number=len(ended) + 1, runs=len(runs), time_left=left) if len(runs) > 1 else left
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(min(done, 1.0), f":gray[{said}]", width="stretch")
        if len(runs) == 1:
            stop_button(going, key=f"lesson.stop.{going.id}")
        else:
            stop_runs(runs, key=f"lesson.stop.{going.id}")


def _begins(wait: float | None) -> str:
    """A sentence on when a queued run starts."""
    if wait is None:
        return tr("How long it waits is not known yet: no run of this lesson has finished here.")
    return tr("It starts in about {duration} (estimate).", duration=words.duration(max(wait, 1.0))) if wait > 0 else ""


def how_long(wait: float | None) -> str:
    """An estimated time until a queued run starts, in a few words."""
    return tr("wait not known yet") if wait is None else tr("in about {duration}", duration=words.duration(max(wait, 1.0)))


def stop_runs(runs: Sequence[Any], key: str) -> None:
    """Draw Stop for those of the runs that have not ended: "Stopping..." from the click until they have saved their state."""
    going = [run for run in runs if not run.status.is_ended()]
    if not going:
        return
    stopping = all(str(run.status) == STOPPING for run in going)
    label = tr("Stopping…") if stopping else tr("Stop")
    st.button(label, icon=":material/stop_circle:", key=key, disabled=stopping, on_click=_stop_all, args=([run.id for run in going],))


def _stop_all(run_ids: Sequence[str]) -> None:
    for run_id in reversed(run_ids):  # the queued ones first
        run_action(run_id, actions.stop)
