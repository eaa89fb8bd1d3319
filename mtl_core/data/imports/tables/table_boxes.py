"""Boxes of a table: four columns, or lists of numbers in one column; in pixels, shares or percent. Each row of an image is a box."""

from __future__ import annotations

import numpy as np

from mtl_core.data.imports.formats import Context, Targets
from mtl_core.data.imports.formats.annotations.boxes import Boxes, in_order
from mtl_core.data.imports.tables.cells import as_text, is_missing, listed, number
from mtl_core.data.imports.tables.table_options import MISSING, CsvOptions
from mtl_core.data.imports.tables.via_regions import enclosing

_NAN = float("nan")
Rows = dict[str, list[list[str]]]


def box_targets(context: Context, options: CsvOptions, rows: Rows) -> Targets:
    """The task of boxes.

    Args:
        rows: image -> for each of its rows the cells of the box columns, then the cell of the class column if there is one.
    """
    found: dict[str, list[tuple[np.ndarray, str]]] = {}
    for key, cells in rows.items():
        boxes = [box for row in cells for box in boxes_of(row, options)]
        for four, name in boxes:
            if options.box_class and not name:
                context.findings.add("skipped", "box_without_class", key, f"a box ({_words(four)}) with an empty class", options.box_task)
        boxes = [(four, name) for four, name in boxes if name or not options.box_class]
        if boxes or (options.box_empty == "no_object" and all(_is_empty(row, options) for row in cells)):
            found[key] = boxes
    if options.box_unlisted == "no_object":
        found |= {key: [] for key in context.index.keys if key not in rows}
    classes = in_order({name for boxes in found.values() for _, name in boxes}) if options.box_class else ("object",)
    place = {name: index for index, name in enumerate(classes)}
    targets = Targets(options.box_task, "detection", classes)
    shares, scale = options.box_unit != "pixels", 0.01 if options.box_unit == "percent" else 1.0
    for key, boxes in found.items():
        numbers = [(*_corners(four, options.box_form) * scale, place[name] if options.box_class else 0) for four, name in boxes]
        targets.values[key] = Boxes(np.array(numbers, np.float64).reshape(-1, 5), shares)
    return targets


def boxes_of(cells: list[str], options: CsvOptions) -> list[tuple[np.ndarray, str]]:
    """(four numbers as written, class name) of a row's boxes; none if its box cells are empty."""
    count = len(options.box)
    if _is_empty(cells, options):
        return []
    if count == 4:
        four = [number(cell, options.decimal, options.thousands) for cell in cells[:4]]
        return [(_four(four), _named(cells[4] if options.box_class else "", options))]
    if cells[0].lstrip().startswith("{"):  # a region of the VGG Image Annotator
        corners = enclosing(cells[0])
        return [] if corners is None else [(np.array(corners, np.float64), _named(cells[1] if options.box_class else "", options))]
    lists = listed(cells[0])
    if lists is None:
        parts = cells[0].replace(",", " ").split() if options.decimal == "." else cells[0].split()
        lists = [number(part, options.decimal) for part in parts]
    if lists and all(isinstance(entry, list) for entry in lists):
        names = listed(cells[1]) if options.box_class else None
        names = [as_text(name) for name in names] if names is not None else [cells[1].strip() if options.box_class else ""] * len(lists)
        names += [""] * (len(lists) - len(names))
        return [(_four(entry), _named(name, options)) for entry, name in zip(lists, names, strict=False)]
    if not lists:
        return []
    return [(_four(lists), _named(cells[1] if options.box_class else "", options))]


def _is_empty(cells: list[str], options: CsvOptions) -> bool:
    """Whether the box's cells are empty. A list without entries is empty, too."""
    return all(is_missing(cell, MISSING) or cell.strip() in ("[]", "{}") for cell in cells[: len(options.box)])


def _four(values: list) -> np.ndarray:
    numbers = [float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else _NAN for value in values]
    return np.array(numbers if len(numbers) == 4 else [_NAN] * 4)


def _named(cell: str, options: CsvOptions) -> str:
    return options.box_names.get(cell.strip(), cell.strip())


def _words(four: np.ndarray) -> str:
    return ", ".join(f"{value:g}" for value in four)


def _corners(four: np.ndarray, form: str) -> np.ndarray:
    x, y, a, b = four
    if form == "corners":
        return four
    return np.array((x, y, x + a, y + b) if form == "size" else (x - a / 2, y - b / 2, x + a / 2, y + b / 2))
