"""KITTI: one text file per picture, a line per object: type, truncation, occlusion, angle, box in pixels, and values in space that are not read."""

from __future__ import annotations

import re

from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.formats.annotations.objects import Objects, number
from mtl_core.data.imports.formats.annotations.text_lines import TextLines

_LINE = re.compile(r"^[A-Za-z_][\w-]*( +-?[\d.]+(e-?\d+)?){14,15} *$")


class Kitti(TextLines):
    """Boxes of KITTI."""

    title = "KITTI labels"
    summary = "A text file per picture with a line for each object, as KITTI's object sets have it."

    @classmethod
    def recognises(cls, text: str) -> bool:
        lines = [line for line in text.splitlines() if line.strip()]
        return bool(lines) and all(_LINE.match(line) for line in lines)

    def collect(self, context: Context, found: Objects) -> None:
        super().collect(context, found)
        if found.ignored:
            sentence = f"{found.ignored:,} areas 'DontCare' are no objects; a detection there counts as wrong"
            context.findings.add("note", "ignored_areas", self.options.folder or ".", sentence, self.options.boxes)

    def add_line(self, found: Objects, key: str, where: str, line: str) -> None:
        parts = line.split()
        if parts[0] == "DontCare":
            found.ignored += 1
        elif len(parts) < 15:
            found.refuse(key, "bad_line", where, f"expected a type and 14 numbers, found '{line[:60]}'")
        else:
            x1, y1, x2, y2 = (number(value) for value in parts[4:8])
            found.add(key, parts[0], (x1, y1, x2, y2))
