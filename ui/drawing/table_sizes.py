"""Sizes of Streamlit's tables in pixels: of rows, and of columns whose heads and texts are not cut."""

from __future__ import annotations

import unicodedata

ROW_PIXELS, TWO_LINES = 35, 66  # heights of Streamlit's rows; it wraps texts in rows of more than four lines of type
BORDERS = 2  # above and below
LINES, BROKEN = 3, 28  # lines of small type in a row of two lines' height, and pixels at the end of each that a word is too long for
LETTER_PIXELS, PADDING, LEAST_PIXELS = 7, 26, 80  # width of a column: a letter of its head, the space beside it, and the least


def whole_height(rows: int, most: int | None = None, row: int = ROW_PIXELS) -> int:
    """Pixels of a table with its head and all rows; at most ``most``, within which it scrolls."""
    height = ROW_PIXELS + row * rows + BORDERS
    return height if most is None else min(height, most)


def fitting_text(text: str, pixels: int) -> str:
    """The text, or its beginning where a row of two lines' height cannot show it all: what is left would be drawn over the rows beside it."""
    room = LINES * (pixels - PADDING - BROKEN)
    wide = head_width(text) - PADDING
    return text if wide <= room else f"{text[: len(text) * room // wide - 1].rstrip(' ·')}…"


def head_width(head: str) -> int:
    """Pixels of a column whose head is not cut. A Chinese letter is as wide as two others."""
    letters = sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in head)
    return max(LEAST_PIXELS, PADDING + LETTER_PIXELS * letters)
