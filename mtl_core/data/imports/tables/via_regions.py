"""The CSV of the VGG Image Annotator: one row per region, with shape and attributes as JSON in cells."""

from __future__ import annotations

import json
import math
from collections import Counter

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.tables.column_sample import Sample
from mtl_core.data.imports.tables.table_options import CsvOptions

SHAPE, ATTRIBUTES = "region_shape_attributes", "region_attributes"


def is_via(names: list[str]) -> bool:
    """Whether a table has VIA's columns."""
    return SHAPE in names and ATTRIBUTES in names


def enclosing(cell: str) -> tuple[float, float, float, float] | None:
    """The box (x1, y1, x2, y2) around a region; None if the cell holds no region with an extent."""
    shape = as_object(cell)
    values = {name: value for name, value in shape.items() if isinstance(value, (int, float)) and not isinstance(value, bool)}
    name = shape.get("name")
    if name == "rect" and {"x", "y", "width", "height"} <= set(values):
        return values["x"], values["y"], values["x"] + values["width"], values["y"] + values["height"]
    if name in ("circle", "ellipse") and {"cx", "cy"} <= set(values):
        rx, ry = values.get("r", values.get("rx", 0)), values.get("r", values.get("ry", 0))
        turn = values.get("theta", 0.0) if name == "ellipse" else 0.0
        half = math.hypot(rx * math.cos(turn), ry * math.sin(turn)), math.hypot(rx * math.sin(turn), ry * math.cos(turn))
        return values["cx"] - half[0], values["cy"] - half[1], values["cx"] + half[0], values["cy"] + half[1]
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys) > 1 and all(isinstance(v, (int, float)) for v in [*xs, *ys]):
        return min(xs), min(ys), max(xs), max(ys)
    return None


def as_object(cell: str) -> dict:
    """The JSON object in a cell; an empty dict if there is none."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def attribute(cell: str, name: str) -> str:
    """One attribute of a region as text; several ticked values are joined."""
    value = as_object(cell).get(name, "")
    if isinstance(value, dict):
        return ", ".join(key for key, ticked in value.items() if ticked)
    return str(value).strip()


def look_at_via(context: Context, tables: list, sample: Sample) -> list[Guess]:
    """A guess for each VIA table: boxes around the regions, with the most frequent attribute as their class."""
    shapes = Counter(str(as_object(cell).get("name", "")) for cell in sample.columns[SHAPE] if as_object(cell))
    names = Counter(name for cell in sample.columns[ATTRIBUTES] for name in as_object(cell))
    if not shapes:
        for options, _ in tables:
            context.not_understood(options.file, "a table of the VGG Image Annotator without any region")
        return []
    chosen = names.most_common(1)[0][0] if names else ""
    guesses = []
    for options, _ in tables:
        changes = {"box": [SHAPE], "box_form": "corners", "box_class": f"{ATTRIBUTES}.{chosen}" if chosen else "", "box_empty": "no_object"}
        said = ", ".join(f"{count:,} {name}" for name, count in shapes.most_common())
        context.understood(
            options.file, f"regions of the VGG Image Annotator ({said})" + (f"; the class is the attribute '{chosen}'" if chosen else "")
        )
        guess = Guess(CsvOptions(**{**options.model_dump(), **changes}).model_dump(mode="json"), labelled={"box": len(sample.keys)})
        if set(shapes) - {"rect"}:
            guess.notes.append(f"'{options.file}': outlines are read as the boxes around them; VIA's JSON export keeps them.")
        if len(names) > 1:
            guess.notes.append(f"'{options.file}': further attributes are not read: {', '.join(list(names)[1:8])}.")
        guesses.append(guess)
    return guesses
