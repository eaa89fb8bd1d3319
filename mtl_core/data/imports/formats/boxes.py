"""Boxes as a file gives them, and what of them is usable."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl_core.data.imports.formats import Targets
from mtl_core.names import suggested_task_name


@dataclass(frozen=True)
class Boxes:
    """Boxes of one image.

    Attributes:
        rows: float64 (M, 5): x1, y1, x2, y2 (exclusive), class index; in pixels, or shares of the image's sides where ``shares``.
        size: (width, height) of the image as the file says; None where it doesn't.
    """

    rows: np.ndarray
    shares: bool = False
    size: tuple[int, int] | None = None


def usable(boxes: Boxes, size: tuple[int, int]) -> tuple[np.ndarray | None, list[tuple[str, str, str]]]:
    """The boxes in pixels of an image of ``size`` (width, height), and (outcome, kind, sentence) for what is odd. None: none can be trusted."""
    said: list[tuple[str, str, str]] = []
    if boxes.size not in (None, size):
        sentence = f"the boxes are said to lie in an image of {boxes.size[0]} x {boxes.size[1]} pixels, but it has {size[0]} x {size[1]}"
        return None, [("skipped", "size_differs", sentence)]
    kept = []
    for row in boxes.rows:
        corners = row[:4] * (size[0], size[1], size[0], size[1]) if boxes.shares else row[:4]
        x1, y1, x2, y2 = corners
        text = ", ".join(f"{value:g}" for value in corners)
        if not np.isfinite(corners).all():
            said.append(("skipped", "box_not_a_number", f"a box with a side that is no number ({text})"))
        elif x2 <= x1 or y2 <= y1:
            said.append(("skipped", "box_empty", f"a box of no size ({text})"))
        elif x2 <= 0 or y2 <= 0 or x1 >= size[0] or y1 >= size[1]:
            said.append(("skipped", "box_outside", f"a box outside of the image of {size[0]} x {size[1]} pixels ({text})"))
        else:
            cut = np.clip(corners, 0, (size[0], size[1], size[0], size[1]))
            if np.abs(cut - corners).max() > 1.0:  # a pixel over the edge is how some tools count
                said.append(("repaired", "box_cut", f"a box reaches out of the image and was cut ({text})"))
            kept.append((*cut, row[4]))
    return np.array(kept, np.float32).reshape(-1, 5), said


def derived(boxes: Targets, present: str, counts: str) -> list[Targets]:
    """Further tasks of the same boxes: which classes there are (``present``), and how many of each (``counts``_<class>)."""
    found = []
    if present:
        values = {key: tuple(sorted({int(c) for c in box.rows[:, 4]})) for key, box in boxes.values.items()}
        found.append(Targets(present, "multi_label", boxes.classes, values=values))
    if counts:
        for index, name in enumerate(boxes.classes):
            values = {key: float((box.rows[:, 4] == index).sum()) for key, box in boxes.values.items()}
            found.append(Targets(f"{counts}_{suggested_task_name(name)}", "regression", unit="objects", values=values))
    return found


def in_order(names: set[str]) -> tuple[str, ...]:
    """Class names as people would count them: numbers by size, else by alphabet."""

    def key(name: str) -> tuple[int, float, str]:
        number = name.lstrip("-").isascii() and name.lstrip("-").isdigit()
        return (0, float(name), "") if number and len(name) < 300 else (1, 0.0, name)

    return tuple(sorted(names, key=key))
