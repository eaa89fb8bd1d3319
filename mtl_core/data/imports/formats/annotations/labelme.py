"""LabelMe: one JSON per picture with polygons, rectangles, circles and masks (LabelMe, AnyLabeling, X-AnyLabeling)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat, common_folder
from mtl_core.data.imports.formats.annotations.objects import Objects, TagOptions, number, picture_size
from mtl_core.data.imports.formats.annotations.outlines import Outline, bitmap, ellipse, polygon
from mtl_core.data.imports.looking.json_files import Head, heads, load
from mtl_core.data.imports.picture_reading import index_image
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

_MOST_SHAPES = 100_000


class LabelMeOptions(TagOptions):
    """Options of LabelMe."""

    folder: str = Field("", description="Folder of the JSON files, with all below it.")


class LabelMe(ObjectFormat):
    """Shapes of LabelMe."""

    title = "LabelMe JSON"
    summary = "A JSON per picture with polygons, rectangles, circles or masks."
    Options = LabelMeOptions
    options: LabelMeOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        files = [file for file, head in heads(context.tree).items() if is_labelme(head)]
        if not files:
            return []
        folder = common_folder(files)
        found = cls.look(context, {"folder": folder}, f"{folder}/*.json" if folder else "*.json", len(files), "JSON")
        return [found[0]] if found else []

    def collect(self, context: Context, found: Objects) -> None:
        prefix = f"{self.options.folder}/" if self.options.folder else ""
        for file, head in heads(context.tree).items():
            if file.startswith(prefix) and (is_labelme(head) or (head.error and '"shapes"' in head.error)):
                try:
                    self._file(context, file, load(context.tree, file), found)
                except DataError as error:
                    context.findings.add("skipped", "unreadable", file, str(error), self.options.boxes)

    def _file(self, context: Context, file: str, data: Any, found: Objects) -> None:
        shapes, path = data.get("shapes"), data.get("imagePath")
        if not isinstance(shapes, list):
            context.findings.add("skipped", "bad_file", file, "'shapes' is no list", self.options.boxes)
            return
        names = [path] if isinstance(path, str) and path.strip() else []
        key = context.first_image([*names, file.rpartition("/")[2]], file, self.options.boxes, self.options.images, near=file.rpartition("/")[0])
        size = picture_size(data.get("imageWidth"), data.get("imageHeight"))
        if not key or not found.picture(key, file, size):
            return
        flags = data.get("flags")
        if isinstance(flags, dict) and flags:
            found.tag(key, "", [str(name) for name, value in flags.items() if value is True])
        for index, shape in enumerate(shapes[:_MOST_SHAPES]):
            self._shape(shape, key, f"{file}: shape {index}", size, found)

    def _shape(self, shape: Any, key: str, where: str, size: tuple[int, int] | None, found: Objects) -> None:
        label = shape.get("label") if isinstance(shape, dict) else None
        if not isinstance(label, str) or not label.strip():
            found.refuse(key, "bad_object", where, "a shape without a label")
            return
        kind = shape.get("shape_type") or "polygon"
        if kind in ("point", "points", "line", "linestrip"):
            found.skip(key, "other_shape", where, f"a {kind} of '{label[:60]}' is no area")
            return
        try:
            box, outline = _area(shape, str(kind), size)
        except (ValueError, TypeError) as error:
            found.refuse(key, "outline", where, f"a {str(kind)[:20]} of '{label[:60]}' that cannot be read: {error}")
            return
        if label == "__ignore__":
            found.ignore(key, box, outline)
        elif label != "_background_":
            found.add(key, label.strip(), box, outline)


def is_labelme(head: Head) -> bool:
    """Whether a JSON is LabelMe's."""
    return "shapes" in head.keys and ("imagePath" in head.keys or "imageData" in head.keys or "imageHeight" in head.keys) and not head.error


def _area(shape: dict, kind: str, size: tuple[int, int] | None) -> tuple[tuple[float, float, float, float] | None, Outline | None]:
    points = [(number(x), number(y)) for x, y in shape["points"]] if isinstance(shape.get("points"), list) else []
    if kind == "circle":
        (x, y), (other_x, other_y) = points
        radius = float(np.hypot(other_x - x, other_y - y))
        return (x - radius, y - radius, x + radius, y + radius), ellipse(x, y, radius, radius)
    if kind in ("rectangle", "mask"):
        if len(points) < 2:
            raise ValueError("two corners are expected")
        xs, ys = [x for x, _ in points], [y for _, y in points]
        box = (min(xs), min(ys), max(xs), max(ys))
        if kind == "mask":
            return None, _mask(shape.get("mask"), box, size)
        return box, None
    return None, polygon(points)


def _mask(text: Any, box: tuple[float, float, float, float], size: tuple[int, int] | None) -> Outline:
    """Outline of a part of a mask as PNG in base64, whose upper left pixel is the box's corner."""
    if size is None or not isinstance(text, str):
        raise ValueError("a mask without its pixels or without the picture's size")
    try:
        values = index_image(base64.b64decode(text, validate=True))
    except (binascii.Error, UnreadableError) as error:
        raise ValueError(str(error)) from None
    return bitmap(values > 0, size, round(box[0]), round(box[1]))
