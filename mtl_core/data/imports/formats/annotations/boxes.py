"""Boxes of an image as the file stores them, their cleaning, and the tasks derived from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mtl_core.data.imports.checking.check_report import Outcome
from mtl_core.data.imports.checking.frames import in_proportion
from mtl_core.data.imports.formats import Targets
from mtl_core.names import suggested_task_name


@dataclass(frozen=True)
class Boxes:
    """Boxes of one image.

    Attributes:
        rows: float64 (M, 5): x1, y1, x2, y2 (exclusive), class index; in pixels, or shares of the image's sides where ``shares``.
        size: (width, height) of the image as the file states it; None if it states none.
        refused: number of objects that could not be read as boxes. An image with missing objects counts as not labelled.
        keep_rest: whether an image with refused objects keeps the others (an option of most formats), instead of counting as not labelled.
        scale: whether boxes with another ``size`` are scaled to the image if the proportions agree, instead of being refused.
        turn: 'upright' if the boxes lie in the picture after EXIF rotation, although ``size`` is that of the stored picture.
    """

    rows: np.ndarray
    shares: bool = False
    size: tuple[int, int] | None = None
    refused: int = 0
    keep_rest: bool = False
    turn: str = ""
    scale: bool = False


NO_BOXES = Boxes(np.zeros((0, 5)))


def usable(boxes: Boxes, size: tuple[int, int]) -> tuple[np.ndarray | None, list[tuple[Outcome, str, str]]]:
    """(boxes in pixels of an image of ``size`` (width, height), findings as (outcome, kind, sentence)). None: the image is not labelled."""
    place, turned, said = in_picture(boxes, size, "boxes")
    if place is None:
        return None, said
    factors = (*place, *place)
    kept, refused = [], boxes.refused
    for row in boxes.rows:
        corners = row[:4] * (size[0], size[1], size[0], size[1]) if boxes.shares else row[:4] * factors
        x1, y1, x2, y2 = corners
        text = ", ".join(f"{value:g}" for value in corners)
        outside = x2 <= 0 or y2 <= 0 or x1 >= size[0] or y1 >= size[1]
        if not np.isfinite(corners).all():
            said.append(("skipped", "box_not_a_number", f"a box with a side that is no number ({text})"))
            refused += 1
        elif x2 <= x1 or y2 <= y1:
            said.append(("skipped", "box_empty", f"a box of no size ({text})"))
            refused += int(x2 < x1 or y2 < y1 or outside)  # an empty box marks nothing; a box with swapped corners marks an object
        elif outside:
            said.append(("skipped", "box_outside", f"a box outside of the image of {size[0]} x {size[1]} pixels ({text})"))
            refused += 1
        else:
            cut = np.clip(corners, 0, (size[0], size[1], size[0], size[1]))
            if np.abs(cut - corners).max() > 1.0:  # some tools count one pixel beyond the edge
                said.append(("repaired", "box_cut", f"a box reaches out of the image and was cut ({text})"))
            kept.append((*cut, row[4]))
    if turned and len(kept) < len(boxes.rows):
        return None, [("skipped", "size_differs", f"the boxes fit neither the upright picture of {size[0]} x {size[1]} pixels nor the stored one")]
    lost = len(boxes.rows) + boxes.refused - len(kept)
    if lost and (not kept or (refused and not boxes.keep_rest)):
        every = len(boxes.rows) + boxes.refused
        sentence = (
            f"{lost} of its {every} objects cannot be used, so the picture counts as not labelled; 'refused: object' keeps the others"
            if kept
            else f"{lost} of its {every} objects cannot be used, so the picture counts as not labelled, not as one without objects"
        )
        said.append(("skipped", "boxes_refused", sentence))
        return None, said
    return np.array(kept, np.float32).reshape(-1, 5), said


def in_picture(marks: Any, size: tuple[int, int], what: str) -> tuple[tuple[float, float] | None, bool, list[tuple[Outcome, str, str]]]:
    """Whether marks lie in an image of ``size`` (width, height), by the size that their file states.

    Args:
        marks: with ``shares``, ``size``, ``turn`` and ``scale`` as in ``Boxes``. ``what``: their name in findings.

    Returns:
        (factors of x and y in pixels; None if the sizes differ, whether they lie in the upright picture, findings)
    """
    turned = marks.turn == "upright" and marks.size == size[::-1]
    if marks.size in (None, size) or turned:
        return (1.0, 1.0), turned, []
    across, down = marks.size
    if not marks.scale or not in_proportion(marks.size, size):
        sentence = f"the {what} are said to lie in an image of {across} x {down} pixels, but it has {size[0]} x {size[1]}"
        return None, turned, [("skipped", "size_differs", sentence)]
    factors = (1.0, 1.0) if marks.shares else (size[0] / across, size[1] / down)
    return factors, turned, [("repaired", "scaled", f"its {what} lie in {across} x {down} pixels; scaled to its {size[0]} x {size[1]}")]


def derived(boxes: Targets, present: str, counts: str) -> list[Targets]:
    """Tasks derived from boxes: the present classes (``present``), and the number of each (``counts``_<class>).

    Their values are the boxes; ``made`` gives their targets once the boxes are cleaned.
    """
    found = []
    shared = {"box_classes": boxes.classes, "unlisted_in": boxes.unlisted_in, "nothing": boxes.nothing}
    if present:
        found.append(Targets(present, "multi_label", boxes.classes, values=dict(boxes.values), made_of_boxes="present", **shared))
    if counts:
        for name in dict.fromkeys(boxes.classes):
            task = f"{counts}_{suggested_task_name(name)}"
            found.append(Targets(task, "regression", unit="objects", values=dict(boxes.values), made_of_boxes=f"count {name}", **shared))
    return found


def made(target: Targets, rows: np.ndarray) -> Any:
    """The target of a task derived from boxes: class indices, or the number of boxes of one class.

    Args:
        rows: (M, 5) cleaned boxes of an image.
    """
    if target.made_of_boxes == "present":
        return tuple(sorted({int(number) for number in rows[:, 4]}))
    index = target.box_classes.index(target.made_of_boxes.removeprefix("count "))
    return float((rows[:, 4] == index).sum())


def in_order(names: set[str]) -> tuple[str, ...]:
    """Class names in order: numbers by value, others by alphabet."""

    def key(name: str) -> tuple[int, float, str]:
        number = name.lstrip("-").isascii() and name.lstrip("-").isdigit()
        return (0, float(name), "") if number and len(name) < 300 else (1, 0.0, name)

    return tuple(sorted(names, key=key))
