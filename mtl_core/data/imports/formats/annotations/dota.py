"""DOTA: one text file per picture, a line per turned box: eight numbers (four corners in pixels), class, difficulty. The box around it is read."""

from __future__ import annotations

import re

from mtl_core.data.imports.formats.annotations.objects import NOWHERE, Objects, number
from mtl_core.data.imports.formats.annotations.text_lines import TextLines

_LINE = re.compile(r"^\s*(-?[\d.]+\s+){8}[A-Za-z][\w-]*(\s+\d+)?\s*$")
_HEAD = ("imagesource:", "gsd:")


class Dota(TextLines):
    """Turned boxes of DOTA."""

    title = "DOTA labels"
    summary = "A text file per picture with four corners and a class for each object; the box around the corners is read."

    @classmethod
    def recognises(cls, text: str) -> bool:
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(_HEAD)]
        return bool(lines) and all(_LINE.match(line) for line in lines[:50])

    def add_line(self, found: Objects, key: str, where: str, line: str) -> None:
        if line.startswith(_HEAD):
            return
        parts = line.split()
        if len(parts) < 9:
            found.refuse(key, "bad_line", where, f"expected 8 numbers and a class, found '{line[:60]}'")
            return
        xs, ys = [number(value) for value in parts[:8:2]], [number(value) for value in parts[1:8:2]]
        straight = len(set(xs)) == 2 and len(set(ys)) == 2
        found.turned += not straight
        nan = any(value != value for value in (*xs, *ys))
        found.add(key, parts[8], NOWHERE if nan else (min(xs), min(ys), max(xs), max(ys)))
