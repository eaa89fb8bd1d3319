"""The cluster popover: the nodes of a Ray cluster, the runs on each, and the length of the queue."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.language import tr
from mtl_core.lessons.lesson_runs import shown_name
from mtl_core.runs.cluster.cluster_start import cluster_of
from mtl_core.runs.cluster.cluster_state import ClusterState
from mtl_core.runs.store import RunStore
from ui.drawing.table_sizes import BORDERS, TWO_LINES, fitting_text, whole_height
from ui.shell import words

PIXELS = (150, 90, 90, 80, 244)  # widths of the columns, whose rows have two lines; a list of Streamlit is no wider than they are together
MOST_PIXELS = 430  # height of the table


def cluster_popover(store: RunStore, queued: int) -> None:
    """Draw a button with the number of nodes that opens their table; nothing if runs train on this machine."""
    state = cluster_of(store)
    if state is None:
        return
    if state.is_stale():
        st.markdown(tr(":gray[:material/hub: The cluster {address} has not answered yet.]", address=state.address), width="content")
        return
    with st.popover(tr("Nodes: {count}", count=len(state.nodes)), icon=":material/hub:", key="cluster", type="tertiary"):
        st.caption(tr("Ray cluster at {address}. Waiting runs: {queued}.", address=state.address, queued=queued))
        table = _table(store, state)
        widths: Any = {name: st.column_config.Column(width=pixels) for name, pixels in zip(table, PIXELS, strict=False)}
        # With a width of its own, because a list is only as wide as the longest text beside the table.
        wide, high = sum(PIXELS) + BORDERS, whole_height(len(table), MOST_PIXELS, TWO_LINES)
        st.dataframe(table, hide_index=True, column_config=widths, width=wide, height=high, row_height=TWO_LINES)
        if restarted := _restarted(store, state):
            st.caption(tr("Restarted after a loss: {runs}.", runs=restarted))


def _table(store: RunStore, state: ClusterState) -> pd.DataFrame:
    """A row for each node."""
    names = _names(store, state)
    rows = []
    for node in state.nodes:
        here = [(run_id, placed.needs) for run_id, placed in state.runs.items() if placed.node == node.id]
        cpus, gpus = sum(needs.cpus for _, needs in here), sum(needs.gpus for _, needs in here)
        rows.append(
            {
                tr("Node"): f"{node.host} ({node.name}, {node.id[:8]})",
                tr("CPUs in use"): tr("{used} of {total}", used=cpus, total=node.cpus),
                tr("GPUs in use"): tr("{used} of {total}", used=gpus, total=node.gpus),
                tr("Memory"): words.size(node.memory),
                tr("Runs"): fitting_text(", ".join(names[run_id] for run_id, _ in here), PIXELS[-1]),
            }
        )
    return pd.DataFrame(rows)


def _names(store: RunStore, state: ClusterState) -> dict[str, str]:
    """Name and the end of the id of each run on the cluster."""
    known = {run.id: shown_name(run) for run in store.several(list(state.runs))}
    return {run_id: f"{words.shortened_inside(known[run_id], 40)} {run_id[-4:]}" if run_id in known else run_id for run_id in state.runs}


def _restarted(store: RunStore, state: ClusterState) -> str:
    names = _names(store, state)
    return ", ".join(f"{words.plain(names[run_id])} ({placed.restarts})" for run_id, placed in state.runs.items() if placed.restarts)
