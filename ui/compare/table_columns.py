"""Columns of the table of runs: which are shown, in which order, and how wide. The store keeps the choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from mtl_core.language import mark, tr
from ui.shell import words
from ui.shell.kept_choices import keep_choice, kept_choice, kept_note, names_in, read_object
from ui.shell.state import hold

SETTING = "compare.columns"  # key in the store's settings
WIDTHS = {"narrow": mark("narrow"), "normal": mark("normal width"), "wide": mark("wide")}
FACTORS = {"narrow": 0.7, "normal": 1.0, "wide": 1.5}
WIDTH = "normal"


@dataclass(frozen=True)
class TableColumns:
    """What a viewer chose.

    Attributes:
        shown: names of the columns, first to last; None before anything was chosen.
        known: names of all columns that were offered so far. A column that is not among them is new, and is shown.
        width: a key of ``WIDTHS``.
    """

    shown: tuple[str, ...] | None = None
    known: tuple[str, ...] = ()
    width: str = WIDTH

    def among(self, offered: Sequence[str], first: Sequence[str]) -> list[str]:
        """The columns to show of those ``offered``. ``first`` are those that are shown where nobody has chosen."""
        if self.shown is None:
            return list(first)
        return [name for name in self.shown if name in offered] + [name for name in first if name not in self.known and name not in self.shown]


def to_text(columns: TableColumns) -> str:
    """The choice as JSON."""
    return json.dumps({"shown": columns.shown, "known": columns.known, "width": columns.width})


def from_text(text: str) -> TableColumns:
    """The choice of ``to_text``. A text that is none gives the first choice."""
    read = read_object(text)
    width = read.get("width")
    return TableColumns(
        names_in(read.get("shown")), names_in(read.get("known")) or (), width if isinstance(width, str) and width in WIDTHS else WIDTH
    )


def choose_columns(offered: Sequence[str], first: Sequence[str], title: Callable[[str], str]) -> tuple[list[str], float]:
    """Draw the choice of the columns.

    Args:
        offered: names of the columns that there are. ``first``: those that are shown where nobody has chosen. ``title``: name -> words.

    Returns:
        Names of the columns to show, in their order, and the factor on every column's width.
    """
    columns = from_text(kept_choice(SETTING))
    key, width = "compare.columns", "compare.columns.width"
    chosen = columns.among(offered, first)
    hold(key, chosen)

    def take() -> None:
        # Columns of runs that are not on this page keep their places.
        others = tuple(name for name in columns.shown or () if name not in offered)
        known = tuple(dict.fromkeys([*columns.known, *offered]))
        keep_choice(SETTING, to_text(replace(columns, shown=(*st.session_state[key], *others), known=known)))

    def take_width() -> None:
        keep_choice(SETTING, to_text(replace(columns, width=st.session_state[width] or WIDTH)))

    with st.popover(tr("Columns"), icon=":material/view_column:"):
        about = tr("Shown in this order. Remove a column and add it again to move it to the end.")
        looks: dict[str, Any] = {"format_func": title, "help": about, "width": 420}
        chosen = st.multiselect(tr("Columns of the table"), offered, chosen, key=key, placeholder=tr("None"), on_change=take, wrap=True, **looks)
        sizes: dict[str, Any] = {"format_func": words.translated(WIDTHS), "on_change": take_width, "required": True}
        st.segmented_control(tr("Width of the columns"), list(WIDTHS), default=hold(width, columns.width), key=width, **sizes)
        kept_note(SETTING, tr("Holds for every viewer of this store."))
    return chosen, FACTORS[columns.width]
