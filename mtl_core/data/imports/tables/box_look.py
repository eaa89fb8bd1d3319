"""Guesses about a table's boxes: their columns, form, unit and class column."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tables.cells import listed
from mtl_core.data.imports.tables.column_sample import Sample
from mtl_core.data.imports.tables.column_words import words_of
from mtl_core.data.imports.tables.table_boxes import boxes_of
from mtl_core.data.imports.tables.table_options import CsvOptions

_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("minx", "miny", "maxx", "maxy"),
    ("startx", "starty", "endx", "endy"),
    ("xtl", "ytl", "xbr", "ybr"),
)
_SIZES = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"), ("xmin", "ymin", "width", "height"))
_SIZES += (("xmin", "ymin", "w", "h"), ("x1", "y1", "width", "height"), ("x1", "y1", "w", "h"))
_CENTRES = (
    ("cx", "cy", "w", "h"),
    ("xcenter", "ycenter", "width", "height"),
    ("xcenter", "ycenter", "w", "h"),
    ("centerx", "centery", "width", "height"),
)
_CENTRES += (("xc", "yc", "w", "h"), ("xcentre", "ycentre", "width", "height"), ("xmid", "ymid", "width", "height"))
_BEFORE = ("", "box", "bbox", "bb", "roi", "rect", "rectangle", "bndbox", "boundingbox", "object", "obj", "region", "face", "xy")
_IN_ONE_CELL = ("bbox", "bboxes", "box", "boxes", "boundingbox", "boundingboxes", "rect", "roi", "bndbox", "xywh", "xyxy")
_CLASS_NAMES = [
    "class",
    "classname",
    "label",
    "labelname",
    "labels",
    "name",
    "category",
    "categoryname",
    "categories",
    "type",
    "object",
    "objectclass",
    "species",
    "kind",
    "cls",
    "tag",
    "klass",
    "target",
]
_CLASS_NUMBERS = ["classid", "labelid", "categoryid", "clsid", "id"]
_NUMBERED = re.compile(r"(?:.*?)([xy])[_ ]?(\d+)$|^(\d+)[_ ]?([xy])$", re.IGNORECASE)
_ENOUGH = 40  # boxes that are compared with their pictures


@dataclass
class BoxColumns:
    """The look's result for a table's boxes.

    Attributes:
        options: changes to the table's options.
        used: columns of the boxes, of their class, and others that differ between the boxes of one image.
        landmarks: columns that are points, not boxes.
        notes: sentences; questions: changes start at the source's options.
    """

    options: dict = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    landmarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)


def landmark_columns(names: list[str]) -> list[str]:
    """Columns of points: three or more numbered pairs x1, y1 ... x3, y3, or names with _x and _y."""
    pairs: dict[str, set[str]] = defaultdict(set)
    columns: dict[str, list[str]] = defaultdict(list)
    for name in names:
        match = _NUMBERED.match(name.strip())
        words = words_of(name)
        if match:
            stem, axis = f"#{match[2] or match[3]}", (match[1] or match[4]).lower()
        elif len(words) > 1 and words[-1] in ("x", "y"):
            stem, axis = " ".join(words[:-1]), words[-1]
        elif len(words) > 1 and words[0] in ("x", "y"):
            stem, axis = " ".join(words[1:]), words[0]
        else:
            continue
        pairs[stem].add(axis)
        columns[stem].append(name)
    whole = [stem for stem, axes in pairs.items() if axes == {"x", "y"}]
    numbered = [stem for stem in whole if stem.startswith("#")]
    named = [
        stem for stem in whole if not stem.startswith("#") and stem not in (*_BEFORE, "min", "max", "center", "centre", "start", "end", "top left")
    ]
    points = [*(numbered if len(numbered) >= 3 else []), *named]
    return [name for stem in points for name in columns[stem]]


def look_at_boxes(sample: Sample, options: CsvOptions, image_sizes: dict[str, tuple[int, int]]) -> BoxColumns:
    """The boxes of a table.

    Args:
        image_sizes: (width, height) of some of the images.
    """
    names = [name for name in sample.columns if name != options.image_column]
    found = BoxColumns(landmarks=landmark_columns(names))
    free = [name for name in names if name not in found.landmarks]
    box, form = _columns(free, sample)
    if not box or not _has_numbers(box, sample):
        by_name = {_squeezed(name): name for name in free}
        if {"x", "y"} <= set(by_name) and _has_numbers([by_name["x"], by_name["y"]], sample):
            found.landmarks += [by_name["x"], by_name["y"]]
        return found
    if len(box) == 4 and form == "corners" and _is_reversed(box, sample):
        found.landmarks += box
        return found
    found.options = {"box": box, "box_form": form}
    found.used |= set(box)
    tried = options.model_copy(update={**found.options, "box_class": "", "decimal": sample.decimal, "thousands": sample.thousands})
    measured = _measured(tried, sample, image_sizes)
    if not len(measured):
        return BoxColumns(landmarks=found.landmarks)
    _unit_and_form(found, measured, named=len(box) == 4)
    _class_column(found, [name for name in free if name not in box], box, sample)
    _of_each_box(found, names, sample)
    return found


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _columns(names: list[str], sample: Sample) -> tuple[list[str], str]:
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(_squeezed(name), name)
    for forms, form in ((_CENTRES, "centre"), (_CORNERS, "corners"), (_SIZES, "size")):
        for before in _BEFORE:
            for four in forms:
                if all(before + part in by_name for part in four):
                    return [by_name[before + part] for part in four], form
    for name in names:
        last = _squeezed(name.rpartition(".")[2])
        filled = [cell for cell in sample.columns[name] if cell][:200]
        if last in _IN_ONE_CELL and filled and sum(_is_box_list(cell) for cell in filled) > 0.9 * len(filled):
            return [name], "corners" if last == "xyxy" else "size"
    return [], "size"


def _is_box_list(cell: str) -> bool:
    found = listed(cell)
    if found is None:
        return len(cell.replace(",", " ").split()) == 4
    return (
        not found
        or (all(isinstance(entry, (int, float)) for entry in found) and len(found) == 4)
        or all(isinstance(entry, list) and len(entry) == 4 for entry in found)
    )


def _has_numbers(box: list[str], sample: Sample) -> bool:
    if len(box) == 1:
        return True
    filled = [cells for cells in zip(*(sample.columns[name] for name in box), strict=True) if all(cells)]
    return bool(filled) and sum(all(sample.number(cell) is not None for cell in cells) for cells in filled) > 0.9 * len(filled)


def _is_reversed(box: list[str], sample: Sample) -> bool:
    """Whether 'corners' are two points in any order, like landmarks."""
    rows = [[sample.number(cell) for cell in cells] for cells in zip(*(sample.columns[name] for name in box), strict=True)]
    rows = [row for row in rows if None not in row]
    return sum(row[2] < row[0] or row[3] < row[1] for row in rows) > 0.2 * len(rows)  # type: ignore[operator]


def _measured(options: CsvOptions, sample: Sample, image_sizes: dict[str, tuple[int, int]]) -> np.ndarray:
    """float64 (N, 6): four numbers as written, width and height of the picture (NaN if unknown)."""
    rows = []
    cells = [sample.columns[name] for name in options.box]
    for place, key in enumerate(sample.keys):
        size = image_sizes.get(key or "", (np.nan, np.nan))
        if np.isnan(size[0]) and len(rows) > 4000:
            continue
        rows += [(*four, *size) for four, _ in boxes_of([column[place] for column in cells], options)]
    found = np.array(rows, np.float64).reshape(-1, 6)
    return found[np.isfinite(found[:, :4]).all(1)]


def _unit_and_form(found: BoxColumns, rows: np.ndarray, named: bool) -> None:
    four, sized = rows[:, :4], rows[np.isfinite(rows[:, 4])]
    largest = float(np.abs(four).max())
    if largest <= 1.05 and (four != np.round(four)).any():
        found.options["box_unit"] = "shares"
        found.notes.append(f"its boxes lie between {four.min():g} and {largest:g}: taken as shares of the picture's sides")
        sized = np.column_stack([four, np.ones((len(four), 2))])
    elif largest <= 100.5 and largest > 90 and len(sized) >= 5 and sized[:, 4:].min() > 200:
        readings = (
            Reading("pixels", "pixels", {"box_unit": "pixels"}),
            Reading("percent", "percent of the picture's sides", {"box_unit": "percent"}),
        )
        evidence = f"no number is above {largest:g}, and the pictures have sides of {sized[:, 4:].min():.0f} pixels and more"
        found.questions.append(Question("box_unit", "Are the boxes' numbers pixels or percent?", readings, "percent", evidence))
        found.options["box_unit"] = "percent"
        sized = np.column_stack([four / 100, np.ones((len(four), 2))])
    if found.options["box_form"] == "corners" and named:
        return
    fits = {form: _fit(sized, form) for form in ("size", "corners", "centre")}
    declared = found.options["box_form"]
    if declared == "centre" or not len(sized):
        return
    best = max(fits.values())
    rivals = [form for form in ("size", "corners", "centre") if fits[form] >= best - 0.02 and (form != "corners" or _grows(four))]
    rivals = [form for form in rivals if form != "centre" or (named and found.options.get("box_unit") == "shares") or fits["size"] < 0.9]
    if named:
        rivals = [form for form in rivals if form != "corners" or fits["size"] < 0.9]
    if not rivals or rivals == ["size"]:
        return
    words = {"size": "x, y, width, height", "corners": "x1, y1, x2, y2", "centre": "the middle's x and y, width, height"}
    taken = "size" if "size" in rivals else rivals[0]
    rivals = list(dict.fromkeys(["size", *rivals]))
    evidence = "; ".join(f"as {words[form]} {fits[form]:.0%} of {len(sized):,} boxes lie in their picture" for form in rivals)
    readings = tuple(Reading(form, words[form], {"box_form": form}) for form in rivals)
    found.questions.append(Question("box_form", "What are the four numbers of a box?", readings, taken, evidence))
    found.options["box_form"] = taken


def _fit(rows: np.ndarray, form: str) -> float:
    """Share of boxes that have a size and lie in their picture."""
    if not len(rows):
        return 0.0
    x, y, a, b, width, height = rows.T
    x1, y1 = (x - a / 2, y - b / 2) if form == "centre" else (x, y)
    x2, y2 = (a, b) if form == "corners" else (x1 + a, y1 + b)
    slack = 0.01 * np.maximum(width, height) + (1e-9 if width.max() <= 1 else 1.0)
    inside = (x1 >= -slack) & (y1 >= -slack) & (x2 <= width + slack) & (y2 <= height + slack) & (x2 > x1) & (y2 > y1)
    return float(inside.mean())


def _grows(four: np.ndarray) -> bool:
    return bool(((four[:, 2] > four[:, 0]) & (four[:, 3] > four[:, 1])).mean() > 0.98)


def _class_column(found: BoxColumns, names: list[str], box: list[str], sample: Sample) -> None:
    """Find the boxes' class column by its name; texts are preferred to numbers."""
    parent = box[0].rpartition(".")[0] if len(box) == 1 else ""
    ranked = []
    for name in names:
        if parent and not name.startswith(f"{parent}."):
            continue
        cells = [cell for cell in sample.columns[name] if cell]
        word = _squeezed(name.rpartition(".")[2])
        word = next((word.removeprefix(before) for before in _BEFORE[1:] if word.removeprefix(before) in _CLASS_NAMES), word)
        if not cells or word not in (*_CLASS_NAMES, *_CLASS_NUMBERS) or (word == "id" and not parent):
            continue
        numeric = all(sample.number(cell) is not None for cell in cells[:200])
        order = [*_CLASS_NAMES, *_CLASS_NUMBERS].index(word)
        if len(set(cells)) > max(30, len(cells) // 2) and not parent:
            continue
        ranked.append((numeric, order, name))
    if ranked:
        name = min(ranked)[2]
        found.options["box_class"] = name
        found.used.add(name)
        found.used |= {other for numeric, _, other in ranked if numeric}  # the same class as a number


def _of_each_box(found: BoxColumns, names: list[str], sample: Sample) -> None:
    """Mark columns that differ between the boxes of one image as the boxes' columns, not the picture's."""
    rows: dict[str, list[int]] = defaultdict(list)
    for place, key in enumerate(sample.keys):
        if key:
            rows[key].append(place)
    several = [places for places in rows.values() if len(places) > 1]
    for name in names:
        cells = sample.columns[name]
        if name not in found.used and any(len({cells[place] for place in places}) > 1 for places in several):
            found.used.add(name)
            found.notes.append(f"'{name}' differs between the boxes of one image: it describes the boxes, not the picture, and is not read")
