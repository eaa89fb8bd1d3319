"""Columns of the table of runs for viewers who have chosen none: those that stand beside each other on a screen of 1280 pixels, and their heads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ui.drawing.table_sizes import head_width

ROOM = 1084  # pixels of a table on a screen of 1280, without its ticks


def fitting(widths: Mapping[str, int], needed: Sequence[str], room: int = ROOM) -> list[str]:
    """The columns that fit into the room, in their order on screen.

    Args:
        widths: column -> its pixels, in the order on screen.
        needed: the columns, the most important first. One that does not fit leaves its room to those after it.
    """
    kept: set[str] = set()
    for name in needed:
        if sum(widths[each] for each in (*kept, name)) <= room:
            kept.add(name)
    return [name for name in widths if name in kept]


def short_heads(heads: Mapping[str, tuple[str, str]], others: int, room: int = ROOM) -> dict[str, str]:
    """Heads of the metrics' columns: in full where all columns fit into the room so, else the task and the arrow.

    Args:
        heads: column -> (``Accuracy of digit ↑``, ``digit ↑``).
        others: pixels of the other columns.
    """
    if others + sum(head_width(full) for full, _ in heads.values()) <= room:
        return {name: full for name, (full, _) in heads.items()}
    often = Counter(short for _, short in heads.values())
    return {name: short if often[short] == 1 else full for name, (full, short) in heads.items()}
