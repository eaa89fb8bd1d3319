"""The machine popover: every gauge of this machine in words, and the store's folder with what it takes up."""

from __future__ import annotations

import html
from pathlib import Path

import streamlit as st

from mtl_core.language import mark, tr
from mtl_core.machine.folder_sizes import StoreSizes, store_sizes
from mtl_core.runs.store import RunStore
from ui.shell import words
from ui.status.gauge_bar import percent_of, rows, sample

KEPT_SECONDS = 60.0  # for the sizes of the store: a large one takes seconds to measure
PARTS = {"runs": mark("Runs"), "data": mark("Prepared data"), "imports": mark("Imported sets"), "rest": mark("Database and others")}


def machine_popover(store: RunStore, run_id: str = "") -> None:
    """Draw a button that opens the gauges of this machine and the size of the store.

    Args:
        run_id: a run that trains, whose process has a gauge; empty for none.
    """
    popover = st.popover(tr("Machine"), icon=":material/memory:", key="machine", type="tertiary", on_change="rerun")
    if not popover.open:
        return
    with popover:
        st.markdown(tr("**This machine**"))
        st.html(_gauge_list(store, run_id))
        st.markdown(tr("**Store** :gray[where runs and data sets are kept]"))
        st.code(str(store.home.absolute()), language=None, wrap_lines=True)
        sizes = _sizes(store.home.as_posix())
        cells = {tr(title): words.size(getattr(sizes, part)) for part, title in PARTS.items()} | {tr("Together"): words.size(sizes.total)}
        st.html(f'<div class="facts">{"".join(_fact(*cell) for cell in cells.items())}</div>')
        st.caption(tr("Prepared data is made again when it is missing. The environment variable MTL_HOME names another folder."))


@st.cache_data(ttl=KEPT_SECONDS, max_entries=4, show_spinner=False)
def _sizes(home: str) -> StoreSizes:
    return store_sizes(Path(home))


def _fact(name: str, value: str) -> str:
    return f'<div><div class="fact-name">{html.escape(name)}</div>{html.escape(value)}</div>'


def _gauge_list(store: RunStore, run_id: str) -> str:
    """Each gauge in a line of its own: its name, its bar, its value."""
    lines = []
    for name, value, share, marked, about in rows(sample(store, run_id)):
        bar = "" if share is None else f'<i><b style="width:{percent_of(share):.0f}%"></b></i>'
        look, sign = (" class=marked", "⚠ ") if marked else ("", "")
        lines.append(
            f'<div{look} title="{html.escape(about, quote=True)}"><span>{sign}{html.escape(name)}</span>{bar or "<u></u>"}'
            f"<span>{html.escape(value)}</span></div>"
        )
    return f'<div class="gauge-list">{"".join(lines)}</div>'
