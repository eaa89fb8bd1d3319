"""The table of files in an import: which are read, as what, and which are not read, with the reason."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from mtl_core.language import tr
from ui.drawing.table_sizes import ROW_PIXELS, TWO_LINES, whole_height

ROWS = 400
REASON_LETTERS = 84  # of a reason in one line


def files_step(proposal: Any) -> None:
    """Draw the table of files and patterns. It is open where a file is not read."""
    if not proposal.files:
        return
    ordered = sorted(proposal.files, key=lambda note: note.read)
    not_read = sum(note.count for note in ordered if not note.read)
    title = tr("Files: {not_read:,} not read", not_read=not_read) if not_read else tr("Files: all recognised files are read")
    with st.expander(title, icon=":material/description:", expanded=bool(not_read), key="import.files"):
        shown = ordered[:ROWS]
        high = TWO_LINES if any(len(tr(note.reason)) > REASON_LETTERS for note in shown) else ROW_PIXELS
        rows = [
            {
                "": tr("read") if note.read else tr("not read"),
                tr("files"): tr(note.files),
                tr("number"): note.count,
                tr("read as, or reason"): tr(note.reason),
            }
            for note in shown
        ]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            height=whole_height(len(rows), 340, high),
            row_height=high,
            column_config={
                "": st.column_config.TextColumn(width=80),
                tr("files"): st.column_config.TextColumn(width=300),
                tr("number"): st.column_config.NumberColumn(format="localized", width=80),
                tr("read as, or reason"): st.column_config.TextColumn(width=620),
            },
        )
        if len(ordered) > ROWS:
            st.caption(tr("The table shows the first {rows:,} of {lines:,} lines.", rows=ROWS, lines=len(ordered)))
