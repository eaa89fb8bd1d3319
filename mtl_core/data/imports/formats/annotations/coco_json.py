"""COCO JSON: boxes, polygons, run lengths and keypoints of instances, in any order of ids, with crowds. Entries are streamed: a file may be large.

Keypoints are taken as written. COCO counts pixels in whole numbers, so that its points may lie half a pixel off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Format, Guess, Targets
from mtl_core.data.imports.formats.annotations.coco_look import CocoLook, is_of_whole_picture, picture_name
from mtl_core.data.imports.formats.annotations.objects import Objects, TagOptions, enclosing, number, picture_size, same_id
from mtl_core.data.imports.formats.annotations.outlines import Outline, polygons, run_lengths
from mtl_core.data.imports.formats.annotations.point_sets import PointOptions, PointSets, point_rows
from mtl_core.data.imports.looking.json_files import heads
from mtl_core.data.imports.looking.json_stream import JsonError, JsonReader
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import MOST_STREAM_BYTES, UnreadableError
from mtl_core.errors import DataError

LISTS = ("images", "annotations", "categories")


class CocoOptions(PointOptions, TagOptions):
    """Options of COCO."""

    file: str = Field("", description="The JSON file.")
    present: str = Field("present", description="Name of a multi-label task: which classes there are; empty for none.")
    bbox: Literal["sizes", "corners", "shares", "share_corners"] = Field(
        "sizes",
        description="What a bbox holds: x, y, width, height in pixels (COCO itself), or x1, y1, x2, y2; 'shares' and 'share_corners': the same as "
        "shares of the picture's sides.",
    )
    turned: Literal["refuse", "upright"] = Field(
        "refuse",
        description="Pictures that EXIF turns, with their size before that: 'refuse' their objects, or read them in the 'upright' picture.",
    )


class Coco(Format):
    """COCO instances."""

    title = "COCO JSON"
    summary = "One JSON with images, categories, boxes, keypoints, and outlines as polygons or run lengths."
    Options = CocoOptions
    options: CocoOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        looks = []
        for file, head in heads(context.tree).items():
            if head.error or not _is_coco(head.keys):
                continue
            reason = _other_kind(head.entry("annotations"))
            if reason:
                context.not_understood(file, reason)
                continue
            try:
                look = CocoLook(context, file, entries(context, file))
            except DataError as error:
                context.not_understood(file, str(error))
                continue
            if look.keys:
                looks.append(look)
            else:
                named = f", such as '{look.references[0][:60]}'" if look.references else ""
                context.not_understood(file, f"COCO with {look.images:,} images, none of which is a picture of this set{named}")
        listed, asked = {key for look in looks for key in look.keys}, set()
        return [look.guess(listed, asked) for look in looks]

    def read(self, context: Context) -> list[Targets]:
        reading = _Reading(context, self.options)
        for name, entry in entries(context, self.options.file):
            reading.take(name, entry)
        if reading.waiting:
            for name, entry in entries(context, self.options.file):
                if name == "annotations":
                    reading.annotation(entry)
        return reading.targets()


def entries(context: Context, file: str) -> Iterator[tuple[str, Any]]:
    """(name of the list, entry) of images, annotations and categories, in the file's order.

    Raises:
        DataError: the file is not JSON, or not COCO's.
    """
    found = set()
    try:
        with context.tree.stream(file, MOST_STREAM_BYTES) as content:
            reader = JsonReader(content)
            if reader.top() == "{":
                for name, begin in reader.members():
                    if name in LISTS and begin == "[":
                        found.add(name)
                        for entry in reader.entries():
                            yield name, entry
                        yield name, None  # the list is complete
                    else:
                        reader.value()
                reader.finish()
    except (JsonError, UnreadableError) as error:
        raise DataError(f"'{file}' is not readable JSON: {str(error)[:200]}") from None
    if found != set(LISTS):
        raise DataError(f"'{file}' is not COCO's: expected lists 'images', 'annotations' and 'categories'")


@dataclass
class _Reading:
    """Collects the entries of one pass over the lists, in any order of the lists."""

    context: Context
    options: CocoOptions
    images: dict[int | str, tuple[str, tuple[int, int] | None]] = field(default_factory=dict)
    names: dict[int | str, str] = field(default_factory=dict)
    above: set[str] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    seen: set[int | str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    waiting: bool = False
    other_ids: int = 0
    sized: int = 0
    outside: int = 0
    corners: int = 0

    def __post_init__(self) -> None:
        self.objects, self.points = Objects(self.context, self.options), PointSets(self.context, self.options)

    def take(self, name: str, entry: Any) -> None:
        """Take an entry of a list. Annotations before the images or categories are read in a second pass."""
        if entry is None:
            self.complete.add(name)
        elif name == "images":
            self._image(entry)
        elif name == "categories":
            self._category(entry)
        elif {"images", "categories"} <= self.complete:
            self.annotation(entry)
        else:
            self.waiting = True

    def _image(self, entry: Any) -> None:
        file, findings = self.options.file, self.context.findings
        own = same_id(entry.get("id")) if isinstance(entry, dict) else None
        if own is None or not picture_name(entry):
            findings.add("skipped", "bad_image_entry", file, f"an image without id and file_name: {str(entry)[:80]}")
            return
        if own in self.images:
            findings.add("skipped", "duplicate_id", file, f"image id {own} is there twice; the first is used")
            return
        where = f"{file}: image {own}"
        key = self.context.image(picture_name(entry), where, self.options.boxes, self.options.images)
        size = picture_size(entry.get("width"), entry.get("height"))
        if key and self.objects.picture(key, where, size, turn=self.options.turned if self.options.turned == "upright" else ""):
            self.images[own] = (key, size)

    def _category(self, entry: Any) -> None:
        own = same_id(entry.get("id")) if isinstance(entry, dict) else None
        if own is not None and isinstance(entry.get("name"), str):
            self.names.setdefault(own, entry["name"].strip() or entry["name"])
            if isinstance(entry.get("supercategory"), str) and entry["supercategory"] != entry["name"]:
                self.above.add(entry["supercategory"])

    def annotation(self, entry: Any) -> None:
        """Take one object."""
        if entry is None:
            return
        options, findings = self.options, self.context.findings
        own = same_id(entry.get("id")) if isinstance(entry, dict) else None
        where = f"{options.file}: object {str(own if isinstance(entry, dict) else entry)[:40]}"
        if not isinstance(entry, dict):
            findings.add("skipped", "bad_object", where, "not an object with image_id, category_id and bbox", options.boxes)
            return
        if own is not None and own in self.seen:
            findings.add("skipped", "duplicate_id", where, "its id is there twice; the first is used", options.boxes)
            return
        image = same_id(entry.get("image_id"))
        if image not in self.images:
            findings.add("skipped", "missing_image", where, f"its image {str(entry.get('image_id'))[:40]} is not there", options.boxes)
            return
        key, size = self.images[image]
        self.other_ids += not isinstance(entry["image_id"], int)
        category = same_id(entry.get("category_id"))
        if category not in self.names:
            self.objects.refuse(key, "unknown_class", where, f"its category {str(entry.get('category_id'))[:40]} is not listed")
            return
        if own is not None:
            self.seen.add(own)
        self._object(entry, key, size, where, self.names[category])

    def _object(self, entry: dict, key: str, size: tuple[int, int] | None, where: str, name: str) -> None:
        options, findings, outline = self.options, self.context.findings, None
        shape = entry.get("segmentation")
        if options.tags and is_of_whole_picture(entry):
            self.used.add(name)
            self.objects.tag(key, "", [name])
            return
        points = self._points(entry, key, where)
        if points is None:
            return
        if shape and (options.segments or not entry.get("bbox")):
            try:
                outline = outline_of(shape, size)
            except (ValueError, TypeError) as error:
                findings.add("skipped", "outline", where, f"{error}; left out of the mask", options.segments)
        box = _box(entry.get("bbox"), options.bbox, size)
        if entry.get("iscrowd") not in (None, 0, "0", False):
            findings.add("note", "crowd", where, "a crowd: left out of the boxes; its pixels are ignored", options.boxes)
            self.objects.ignore(key, box, outline)
            self.points.add(key, name, None, None, where)
            self.used.add(name)
        elif box is None and len(points) and not entry.get("bbox") and outline is None:
            self.used.add(name)
            self._add_points(key, name, points, None, where)
            self.objects.skip(key, "no_box", where, "points without a box: no object of the boxes")
        elif box is None and (outline is None or entry.get("bbox")):
            self.objects.refuse(key, "bad_box", where, f"bbox: expected [x, y, width, height], found {str(entry.get('bbox'))[:60]}")
        else:
            self.used.add(name)
            self._add_points(key, name, points, box or enclosing(cast("Outline", outline)), where)
            self.objects.add(key, name, box, outline)
            if size and box and options.bbox == "sizes":
                self.outside += box[2] > size[0] + 1 or box[3] > size[1] + 1
                self.corners += box[0] < entry["bbox"][2] <= size[0] + 1 and box[1] < entry["bbox"][3] <= size[1] + 1 if entry.get("bbox") else 0
                self.sized += 1

    def _points(self, entry: dict, key: str, where: str) -> np.ndarray | None:
        """(K, 3); no row for an object without labelled points. None, with a finding, if they can't be read."""
        given = entry.get("keypoints")
        if not given or not self.options.named_points:
            return np.zeros((0, 3))
        try:
            return point_rows(given, 3)
        except ValueError as error:
            self.objects.refuse(key, "bad_points", where, str(error))
            return None

    def _add_points(self, key: str, name: str, points: np.ndarray, box: Sequence[float] | None, where: str) -> None:
        if not self.points.add(key, name, points if len(points) else None, box, where):
            self.objects.pictures[key].refused += 1

    def targets(self) -> list[Targets]:
        options, findings = self.options, self.context.findings
        order = sorted(self.names, key=lambda item: (isinstance(item, str), item))
        self._say_gaps(order)
        if self.other_ids:
            sentence = f"image ids are written as text or with a point in {self.other_ids:,} objects: they are compared by their value"
            findings.add("note", "other_ids", options.file, sentence, options.boxes)
        if self.outside > 0.1 * self.sized and self.corners == self.sized:
            sentence = f"{self.outside:,} of {self.sized:,} boxes reach out of their picture, but all lie in it as x1, y1, x2, y2: 'bbox: corners'"
            findings.add("note", "boxes_as_corners", options.file, sentence, options.boxes)
        names = [self.names[own] for own in order]
        double = sorted(name for name, count in Counter(names).items() if count > 1)
        if double:
            findings.add("repaired", "same_name", options.file, f"categories of one name are one class: {', '.join(double[:8])}", options.boxes)
        dropped = [name for name in dict.fromkeys(names) if name in self.above and name not in self.used]
        if dropped and len(dropped) < len(set(names)):
            sentence = f"'{dropped[0]}' stands above other categories and has no object: it is no class"
            findings.add("note", "supercategory", options.file, sentence, options.boxes)
            names = [name for name in names if name not in dropped]
        if not options.classes:
            self.objects.classes = list(dict.fromkeys(names))
        for key, picture in self.objects.pictures.items() if not options.tags else ():
            if not picture.boxes and not picture.shapes and not picture.refused:
                findings.add("note", "no_objects", key, "an image without objects: used as such", options.boxes)
        points = self.points.targets(self.objects.pictures)  # first: the boxes count an image refused that has points alone
        return [*self.objects.targets(), *points]

    def _say_gaps(self, numbers: list[Any]) -> None:
        if numbers and all(isinstance(n, int) for n in numbers) and numbers != list(range(min(numbers), min(numbers) + len(numbers))):
            sentence = f"category ids {min(numbers)} to {max(numbers)} have gaps: {len(numbers)} classes, numbered from 0 here"
            self.context.findings.add("note", "category_gaps", self.options.file, sentence, self.options.boxes)


def outline_of(shape: Any, size: tuple[int, int] | None) -> Outline:
    """COCO's segmentation of one object in an image of ``size`` (width, height).

    Raises:
        ValueError, TypeError: it can't be drawn.
    """
    if not shape:
        raise ValueError("no outline")
    if not isinstance(shape, dict):
        flat = isinstance(shape, list) and all(isinstance(value, int | float) for value in shape)  # one polygon that is not in a list
        return polygons([shape] if flat else shape)
    if size is None:
        raise ValueError("the image's size is not stated")
    if shape.get("size") not in ([size[1], size[0]], (size[1], size[0])):
        raise ValueError(f"run lengths for an image of {shape.get('size')} (height, width); it has {[size[1], size[0]]}")
    return run_lengths(shape.get("counts"), size)


def _box(box: Any, kind: str, size: tuple[int, int] | None) -> tuple[float, float, float, float] | None:
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in box):
        return None
    x, y, third, fourth = (number(value) for value in box)
    if kind.startswith("share"):
        width, height = size or (float("nan"), float("nan"))  # without the picture's size there is no box
        x, y, third, fourth = x * width, y * height, third * width, fourth * height
    return (x, y, third, fourth) if kind.endswith("corners") else (x, y, x + third, y + fourth)


def _is_coco(keys: dict[str, Any]) -> bool:
    if sum(name in keys for name in LISTS) >= 2:
        return True
    first = keys.get("annotations") or keys.get("images")  # the other lists lie beyond the bytes read
    return isinstance(first, dict) and ("image_id" in first or "file_name" in first) and ("annotations" in keys or "images" in keys)


def _other_kind(first: dict) -> str:
    """Why annotations other than instances are not read."""
    if "segments_info" in first:
        return "COCO panoptic: its masks are PNG files of segment numbers, which are not read; export 'instances' (boxes, outlines) or index masks"
    if "caption" in first:
        return "COCO captions: texts are no task here; the 'instances' file of the same pictures can be read"
    return ""
