"""Label Studio: JSON and JSON-MIN with rectangles, polygons and ellipses in percent of the picture's sides, and choices for whole pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Guess
from mtl_core.data.imports.formats.annotations.object_format import ObjectFormat
from mtl_core.data.imports.formats.annotations.objects import Objects, TagOptions, number, picture_size
from mtl_core.data.imports.formats.annotations.outlines import Outline, ellipse, polygon
from mtl_core.data.imports.formats.image_index import AmbiguousImageError
from mtl_core.data.imports.looking.json_files import Head, entries, heads
from mtl_core.data.imports.picture_reading import is_picture
from mtl_core.data.imports.spec import ImageSpec

_UPLOADED = re.compile(r"^[0-9a-f]{4,32}[-_](.+)$")
_LABELS = {
    "rectanglelabels": "rectangle",
    "polygonlabels": "polygon",
    "ellipselabels": "ellipse",
    "brushlabels": "brush",
    "keypointlabels": "keypoint",
    "vectorlabels": "vector",
    "hypertextlabels": "text",
}


class LabelStudioOptions(TagOptions):
    """Options of Label Studio."""

    file: str = Field("", description="The JSON file.")


class LabelStudio(ObjectFormat):
    """Regions and choices of Label Studio."""

    title = "Label Studio JSON"
    summary = "One JSON with regions in percent and choices, exported as JSON or JSON-MIN."
    Options = LabelStudioOptions
    options: LabelStudioOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        found = []
        for file, head in heads(context.tree).items():
            if is_label_studio(head):
                found.append(cls.look(context, {"file": file}, file, what="task"))
        return [look[0] for look in found if look]

    def collect(self, context: Context, found: Objects) -> None:
        for index, task in enumerate(entries(context.tree, self.options.file)):
            where = f"{self.options.file}: task {task.get('id', index) if isinstance(task, dict) else index}"
            if not isinstance(task, dict):
                context.findings.add("skipped", "bad_object", where, "a task that is no object", self.options.boxes)
                continue
            written = _picture(task)
            if written is None:
                context.findings.add("skipped", "missing_image", where, "a task that names no picture", self.options.boxes)
                continue
            results = self._results(context, task, where)
            if results is None:
                continue  # the task is not annotated yet
            key = self._key(context, written, where)
            if key and found.picture(key, where):
                self._regions(results, key, where, found)

    def _key(self, context: Context, written: str, where: str) -> str | None:
        """The image of a name, with or without the prefix that Label Studio adds to an uploaded file's name."""
        short = _UPLOADED.match(written.rpartition("/")[2])
        try:
            known = context.index.match(written, self.options.images, context.near)[0]
        except AmbiguousImageError:
            known = None
        if known or not short:
            return context.image(written, where, self.options.boxes, self.options.images)
        return context.image(short.group(1), where, self.options.boxes, self.options.images, written=written)

    def _results(self, context: Context, task: dict, where: str) -> list | None:
        """The regions of the first annotation that was not cancelled; None if there is none."""
        several = task.get("annotations", task.get("completions"))
        if several is None:
            return list(_of_min(task))
        made = [a for a in several if isinstance(a, dict) and not a.get("was_cancelled")] if isinstance(several, list) else []
        if not made:
            return None
        if len(made) > 1:
            context.findings.add("note", "several_annotations", where, f"{len(made)} annotations; the first is used", self.options.boxes)
        results = made[0].get("result")
        return results if isinstance(results, list) else []

    def _regions(self, results: list, key: str, where: str, found: Objects) -> None:
        for region in results:
            value = region.get("value") if isinstance(region, dict) else None
            if not isinstance(value, dict):
                found.refuse(key, "bad_object", where, "a region without a value")
                continue
            kind = next((name for name in _LABELS if name in value), "")
            if isinstance(value.get("choices"), list):
                found.tag(key, str(region.get("from_name") or ""), [str(name) for name in value["choices"]])
            elif kind:
                self._region(region, value, kind, key, where, found)

    def _region(self, region: dict, value: dict, kind: str, key: str, where: str, found: Objects) -> None:
        names = value[kind]
        size = picture_size(region.get("original_width"), region.get("original_height"))
        picture = found.pictures[key]
        if size and picture.size is None and not picture.boxes:
            picture.size = size
        if kind in ("keypointlabels", "vectorlabels"):
            found.skip(key, "other_shape", where, f"a {_LABELS[kind]} of {names} is no area")
        elif not isinstance(names, list) or not names or not isinstance(names[0], str):
            found.refuse(key, "no_class", where, "a region without a label")
        elif size is None or kind == "brushlabels":
            why = "a brush mask in Label Studio's own packing; export it as PNG" if size else "a region whose picture's size is not stated"
            found.refuse(key, "outline", where, why)
        else:
            found.turned += kind == "rectanglelabels" and number(value.get("rotation") or 0) % 360 > 0
            try:
                found.add(key, names[0], *_area(value, kind, size))
            except (ValueError, TypeError) as error:
                found.refuse(key, "outline", where, f"a {_LABELS[kind]} that cannot be read: {error}")


def is_label_studio(head: Head) -> bool:
    """Whether a JSON is a list of Label Studio's tasks."""
    item = head.item
    if head.error or head.top != "[":
        return False
    whole = isinstance(item.get("data"), dict) and ("annotations" in item or "completions" in item)
    return whole or ("annotation_id" in item and _picture(item) is not None)


def _picture(task: dict) -> str | None:
    """The picture's name, as a path."""
    inner = task.get("data")
    data = inner if isinstance(inner, dict) else task
    texts = [(name, value) for name, value in data.items() if isinstance(value, str)]
    texts.sort(key=lambda pair: pair[0] not in ("image", "img", "picture", "url"))
    for name, value in texts:
        plain = _plain(value)
        if is_picture(plain) or name in ("image", "img"):
            return plain
    upload = task.get("file_upload")
    return upload if isinstance(upload, str) and is_picture(upload) else None


def _plain(value: str) -> str:
    """A name without address and query; '/data/local-files/?d=a/b.jpg' is a/b.jpg."""
    try:
        parts = urlsplit(value.strip())
        inner = parse_qs(parts.query).get("d")
    except ValueError:
        return value
    if inner:
        return inner[0]
    path = parts.path if parts.scheme and len(parts.scheme) > 1 else value.strip().partition("?")[0]
    return unquote(path).lstrip("/")


def _of_min(task: dict) -> Iterator[dict]:
    """Regions and choices of JSON-MIN: one key for each control."""
    for name, value in task.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for region in value:
                if any(kind in region for kind in _LABELS):
                    yield {"value": region, "original_width": region.get("original_width"), "original_height": region.get("original_height")}
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            yield {"value": value, "from_name": name}
        elif isinstance(value, str) and name in ("choice", "class", "category"):
            yield {"value": {"choices": [value]}, "from_name": name}


def _area(value: dict, kind: str, size: tuple[int, int]) -> tuple[tuple[float, float, float, float] | None, Outline | None]:
    """(box, outline) in pixels of a region in percent. A rectangle rotates about its upper left corner, an ellipse about its centre."""
    across, down = size[0] / 100, size[1] / 100
    turned = number(value.get("rotation") or 0)
    if kind == "polygonlabels":
        points = value.get("points")
        if not isinstance(points, list):
            raise ValueError("a polygon without points")
        return None, polygon([(round(number(x) * across, 6), round(number(y) * down, 6)) for x, y in points])  # percentages are inexact
    x, y = number(value.get("x")) * across, number(value.get("y")) * down
    if kind == "ellipselabels":
        return None, ellipse(x, y, number(value.get("radiusX")) * across, number(value.get("radiusY")) * down, degrees=turned)
    width, height = number(value.get("width")) * across, number(value.get("height")) * down
    box = (round(x, 6), round(y, 6), round(x + width, 6), round(y + height, 6))
    if not np.isfinite([*box, turned]).all() or width <= 0 or height <= 0 or not turned % 360:
        return box, None
    cos, sin = np.cos(np.deg2rad(turned)), np.sin(np.deg2rad(turned))
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)]) @ np.array([(cos, sin), (-sin, cos)]) + (x, y)
    return (*corners.min(0).tolist(), *corners.max(0).tolist()), None
