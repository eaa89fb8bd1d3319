"""The queue: what waits, in its order, and how to change it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mtl_core.runs import actions
from ui import words
from ui.run_actions import place_buttons
from ui.state import attempt, refusal

SHOWN = 12  # of a longer queue only its beginning can be ordered here


def queue_popover(queued: list[Any]) -> None:
    """A button that says how many runs wait and opens their list. Everyone who looks sees the same order."""
    with st.popover(f"{len(queued)} queued", icon=":material/queue:", key="queue", type="tertiary"):
        st.caption("One run at a time trains on each device; the first in line is next.")
        for run in queued[:SHOWN]:
            _row(run, len(queued))
        if len(queued) > SHOWN:
            st.caption(f"and {len(queued) - SHOWN} more behind them.")


def _row(run: Any, waiting: int) -> None:
    with st.container(key=f"queue_{run.id}", horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f":gray[{run.queue_position}.]", width=22)
        name = f"{words.plain(words.shortened(run.name, 44))} :gray[{run.id[-4:]}]"
        st.page_link("pages/run.py", label=name, query_params={"run": run.id}, width=330)
        place_buttons(run, waiting, f"queue.{run.id}")
        about = "Take it out of the queue"
        st.button("", icon=":material/close:", key=f"queue.{run.id}.remove", help=about, on_click=attempt, args=(run.id, actions.stop))
    if refusal(run.id):
        st.caption(f":red[{words.plain(refusal(run.id))}]")
