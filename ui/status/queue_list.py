"""The queue popover: the waiting runs in order, with buttons to move and remove them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import name_with_learner
from mtl_core.machine.device_names import device_named, kind_of
from mtl_core.runs import actions
from mtl_core.runs.cluster.cluster_start import is_on_cluster
from mtl_core.runs.sets.set_states import before_training
from ui.run.run_actions import place_buttons
from ui.shell import words
from ui.shell.state import last_refusal, run_action, run_store

LETTERS, NAME_PIXELS = 64, 460  # of a name: a study's are told apart by what stands at their end
SHOWN = 12  # runs; only the beginning of a longer queue can be reordered here


def queue_popover(queued: list[Any], active: Sequence[Any] = ()) -> None:
    """Draw a button with the number of queued runs that opens their list. Devices are named where queued and active runs have several."""
    several = _are_several({device_named(run.device) for run in (*queued, *active)})
    with st.popover(tr("{count} queued", count=len(queued)), icon=":material/queue:", key="queue", type="tertiary"):
        if is_on_cluster():
            st.caption(tr("The cluster starts runs in this order, as its nodes have free CPUs, GPUs and memory."))
        else:
            st.caption(tr("Each device trains one run at a time. The first run in the queue for a device starts next on it."))
        with st.container(key="queue_rows", gap="xsmall"):
            for run in queued[:SHOWN]:
                _row(run, len(queued), with_device=several)
        if len(queued) > SHOWN:
            st.caption(tr("and {count} more after them.", count=len(queued) - SHOWN))


def _are_several(devices: set[str]) -> bool:
    """Whether runs with these devices take more than one. ``auto`` is the first GPU, or the device that all others name."""
    named = devices - {"auto"}
    first = {"cuda"} if any(kind_of(name) == "cuda" for name in named) else set()
    return len(named | first if "auto" in devices else named) > 1


def _row(run: Any, waiting: int, with_device: bool) -> None:
    with st.container(key=f"queue_{run.id}", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f":gray[{run.queue_position}.]", width=22)
        name = f"{words.plain(words.shortened_inside(name_with_learner(run_store(), run), LETTERS))} :gray[{run.id[-4:]}]"
        st.page_link("pages/run.py", label=name, query_params={"run": run.id}, width=NAME_PIXELS)
        if with_device:
            st.badge(tr(device_named(run.device)), color="gray", icon=":material/memory:", width=84)  # one width, so that the buttons stand in line
        place_buttons(run, waiting, f"queue.{run.id}")
        about = tr("Remove this run from the queue")
        st.button("", icon=":material/close:", key=f"queue.{run.id}.remove", help=about, on_click=run_action, args=(run.id, actions.stop))
    if about_data := before_training(run_store(), run):
        st.caption(words.plain(tr(about_data)))
    if last_refusal(run.id):
        st.caption(f":red[{words.plain(last_refusal(run.id))}]")
