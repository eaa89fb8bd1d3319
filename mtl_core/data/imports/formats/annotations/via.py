"""VGG Image Annotator (VIA 1 and 2), JSON: regions of each picture with attributes, one of which is the class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat
from mtl_core.data.imports.formats.annotations.objects import Objects, TagOptions, number
from mtl_core.data.imports.formats.annotations.outlines import Outline, ellipse, polygon
from mtl_core.data.imports.looking.json_files import Head, heads, load
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.errors import DataError

_LIKELY = ("class", "label", "category", "type", "name", "object", "class_name")


class ViaOptions(TagOptions):
    """Options of VIA."""

    file: str = Field("", description="The JSON file.")
    attribute: str = Field("", description="Region attribute that is the class; empty: every region is an 'object'.")


class Via(ObjectFormat):
    """Regions of VIA."""

    title = "VIA JSON"
    summary = "One JSON with regions of each picture, as the VGG Image Annotator writes it."
    Options = ViaOptions
    options: ViaOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        guesses = []
        for file, head in heads(context.tree).items():
            if not is_via(head):
                continue
            try:
                attributes = _attributes(load(context.tree, file))
            except DataError as error:
                context.not_understood(file, str(error))
                continue
            likely = sorted(attributes, key=lambda name: (_LIKELY.index(name.lower()) if name.lower() in _LIKELY else 99, -attributes[name]))
            options = {"file": file, "attribute": likely[0] if likely else ""}
            found = cls.look(context, options, file)
            if found:
                guess = found[0]
                if len(likely) > 1 and attributes[likely[1]]:
                    guess.questions.append(_question(likely, attributes, tuple(found[1].pictures)[:6]))
                guesses.append(guess)
        return guesses

    def collect(self, context: Context, found: Objects) -> None:
        options = self.options
        for name, entry in _pictures(load(context.tree, options.file)):
            where = f"{options.file}: {name[:60]}"
            if not isinstance(entry, dict) or not isinstance(entry.get("filename"), str):
                context.findings.add("skipped", "bad_image_entry", where, "a picture without a filename", options.boxes)
                continue
            key = context.image(entry["filename"], where, options.boxes, options.images)
            regions = entry.get("regions") or []
            regions = list(regions.values()) if isinstance(regions, dict) else regions
            if not key or not found.picture(key, where):
                continue
            for group, value in (entry.get("file_attributes") or {}).items() if isinstance(entry.get("file_attributes"), dict) else ():
                tags = values_of(value)
                if tags:
                    found.tag(key, str(group), tags)
            for index, region in enumerate(regions if isinstance(regions, list) else ()):
                self._region(region, key, f"{where}: region {index}", found)

    def _region(self, region: Any, key: str, where: str, found: Objects) -> None:
        if not isinstance(region, dict) or not isinstance(region.get("shape_attributes"), dict):
            found.refuse(key, "bad_object", where, "a region without shape_attributes")
            return
        shape, attributes = region["shape_attributes"], region.get("region_attributes")
        if shape.get("name") in ("point", "polyline"):
            found.skip(key, "other_shape", where, f"a {shape['name']} is no area")
            return
        names = values_of(attributes.get(self.options.attribute)) if isinstance(attributes, dict) and self.options.attribute else []
        name = ", ".join(names) if self.options.attribute else "object"
        if not name:
            found.refuse(key, "no_class", where, f"a region without a value of '{self.options.attribute}'")
            return
        try:
            box, outline = area_of(shape)
        except (ValueError, TypeError) as error:
            found.refuse(key, "outline", where, f"a {str(shape.get('name'))[:20]} that cannot be read: {error}")
            return
        found.add(key, name, box, outline)


def area_of(shape: dict) -> tuple[tuple[float, float, float, float] | None, Outline | None]:
    """Box (of a rectangle) and outline of VIA's shape_attributes.

    Raises:
        ValueError, TypeError: the shape has no area, or unreadable numbers.
    """
    name = shape.get("name")
    if name == "rect":
        x, y, width, height = (number(shape.get(side)) for side in ("x", "y", "width", "height"))
        return (x, y, x + width, y + height), None
    if name == "circle":
        x, y, radius = (number(shape.get(side)) for side in ("cx", "cy", "r"))
        return (x - radius, y - radius, x + radius, y + radius), ellipse(x, y, radius, radius)
    if name == "ellipse":
        turned = number(shape.get("theta", 0)) or 0.0
        numbers = (number(shape.get(side)) for side in ("cx", "cy", "rx", "ry"))
        return None, ellipse(*numbers, degrees=float(np.rad2deg(turned)))
    if name == "polygon":
        xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise ValueError("as many x as y are expected")
        return None, polygon([(number(x), number(y)) for x, y in zip(xs, ys, strict=True)])
    raise ValueError("a shape of another kind")


def values_of(value: Any) -> list[str]:
    """The values of an attribute: the text of a text box or radio button, or the ticked check boxes."""
    if isinstance(value, dict):
        return [str(name) for name, ticked in value.items() if ticked in (True, "true", "1", 1)]
    return [str(value).strip()] if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip() else []


def is_via(head: Head) -> bool:
    """Whether a JSON is VIA's: a project, or its annotations alone."""
    if head.error:
        return False
    if "_via_img_metadata" in head.keys:
        return True
    first = next((value for value in head.keys.values() if isinstance(value, dict)), {})
    return "filename" in first and "regions" in first


def _pictures(data: Any) -> Iterator[tuple[str, Any]]:
    listed = data.get("_via_img_metadata", data) if isinstance(data, dict) else None
    if not isinstance(listed, dict):
        raise DataError("expected an object with an entry for each picture")
    yield from listed.items()


def _attributes(data: Any) -> Counter[str]:
    """Region attribute -> regions that have a value of it."""
    counts: Counter[str] = Counter()
    for _, entry in _pictures(data):
        regions = entry.get("regions") if isinstance(entry, dict) else None
        for region in (regions.values() if isinstance(regions, dict) else regions) or () if isinstance(regions, dict | list) else ():
            attributes = region.get("region_attributes") if isinstance(region, dict) else None
            for name, value in attributes.items() if isinstance(attributes, dict) else ():
                counts[str(name)] += bool(values_of(value))
    return counts


def _question(likely: list[str], attributes: Counter[str], examples: tuple[str, ...]) -> Question:
    readings = tuple(Reading(name, f"'{name}', which {attributes[name]:,} regions have", {"attribute": name}) for name in likely[:8])
    evidence = "; ".join(f"'{name}': {attributes[name]:,} regions" for name in likely[:8])
    return Question("attribute", "Which attribute of the regions is the class?", readings, likely[0], evidence, examples)
