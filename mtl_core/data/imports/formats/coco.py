"""COCO JSON: boxes, polygons and run lengths of instances, in any order of ids, with crowds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from pydantic import Field

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets
from mtl_core.data.imports.formats.boxes import Boxes, derived
from mtl_core.data.imports.formats.outlines import Outline, Shapes, polygons, run_lengths
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

MOST_JSON_BYTES = 256 << 20


class CocoOptions(FormatOptions):
    """Options of COCO."""

    file: str = Field("", description="The JSON file.")
    images: str = Field("", description="Folder of its images, empty for any.")
    boxes: str = Field("boxes", description="Name of the task of boxes; empty for none.")
    segments: str = Field("", description="Name of a segmentation task made of the instances' outlines; empty for none.")
    present: str = Field("present", description="Name of a multi-label task: which classes there are; empty for none.")
    counts: str = Field("", description="Beginning of the names of regression tasks: how many of each class; empty for none.")


class Coco(Format):
    """COCO instances."""

    title = "COCO JSON"
    summary = "One JSON with images, categories, boxes, and outlines as polygons or run lengths."
    Options = CocoOptions
    options: CocoOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        guesses = []
        for file in [name for name in context.tree.files if name.lower().endswith(".json")][:20]:
            try:
                data = _read(context, file)
                classes = tuple(name for _, name in _categories(data))
            except DataError:
                continue
            folders = {name.rpartition("/")[0] for name in context.index.keys}
            stem = file.rpartition("/")[2].removesuffix(".json")
            fitting = sorted(folder for folder in folders if folder and folder.rpartition("/")[2] and folder.rpartition("/")[2] in stem)
            segmented = len(classes) < IGNORE and any(isinstance(a, dict) and a.get("segmentation") for a in data["annotations"])
            options = {"file": file, "images": fitting[0] if len(fitting) == 1 else "", "segments": "instances" if segmented else ""}
            number = len(data["images"])
            note = f"'{file}': {number:,} images, {len(data['annotations']):,} objects, {len(classes)} classes"
            guesses.append(Guess(options, labelled={"boxes": number, "present": number}, notes=[note]))
        return guesses

    def read(self, context: Context) -> list[Targets]:
        options, findings = self.options, context.findings
        data = _read(context, options.file)
        categories = _categories(data)
        place = {number: index for index, (number, _) in enumerate(categories)}
        self._say_gaps(context, list(place))
        images = self._images(context, data)
        rows: dict[str, list] = {key: [] for key, _ in images.values()}
        shapes: dict[str, list] = {key: [] for key, _ in images.values()}
        seen: set[Any] = set()
        for annotation in data["annotations"]:
            where = f"{options.file}: object {_text(annotation)}"
            reason = _refusal(annotation, seen, images, place)
            if reason:
                findings.add("skipped", *reason[:1], where, reason[1], options.boxes)
                continue
            seen.add(_id(annotation))
            key, size = images[annotation["image_id"]]
            crowd, index = bool(annotation.get("iscrowd")), place[annotation["category_id"]]
            if crowd:
                findings.add("note", "crowd", where, "a crowd: left out of the boxes; its pixels are ignored", options.boxes)
            else:
                x, y, width, height = annotation["bbox"]
                rows[key].append((x, y, x + width, y + height, index))
            if options.segments:
                self._shape(context, where, annotation, size, shapes[key], IGNORE if crowd else index + 1)
        classes = tuple(name for _, name in categories)
        boxes = Targets(options.boxes, "detection", classes)
        sizes = dict(images.values())
        boxes.values = {key: Boxes(np.array(found, np.float64).reshape(-1, 5), size=sizes[key]) for key, found in rows.items()}
        empty = [key for key, found in rows.items() if not found]
        for key in empty:
            findings.add("note", "no_objects", key, "an image without objects: used as such", options.boxes)
        targets = [*([boxes] if options.boxes else []), *derived(boxes, options.present, options.counts)]
        if options.segments:
            values = {key: Shapes.of(found, sizes[key]) for key, found in shapes.items()}
            targets.append(Targets(options.segments, "segmentation", ("background", *classes), values=values))
        return targets

    def _say_gaps(self, context: Context, numbers: list[Any]) -> None:
        if numbers and all(isinstance(n, int) for n in numbers) and sorted(numbers) != list(range(min(numbers), min(numbers) + len(numbers))):
            sentence = f"category ids {min(numbers)} to {max(numbers)} have gaps: {len(numbers)} classes, numbered from 0 here"
            context.findings.add("note", "category_gaps", self.options.file, sentence, self.options.boxes)

    def _images(self, context: Context, data: dict) -> dict[Any, tuple[str, tuple[int, int] | None]]:
        """COCO's image id -> (our key, stated size)."""
        found: dict[Any, tuple[str, tuple[int, int] | None]] = {}
        for entry in data["images"]:
            if not isinstance(entry, dict) or not isinstance(entry.get("id"), int | str) or not isinstance(entry.get("file_name"), str):
                context.findings.add("skipped", "bad_image_entry", self.options.file, f"an image without id and file_name: {str(entry)[:80]}")
                continue
            if entry["id"] in found:
                context.findings.add("skipped", "duplicate_id", self.options.file, f"image id {entry['id']} is there twice; the first is used")
                continue
            key = context.image(entry["file_name"], f"{self.options.file}: image {entry['id']}", self.options.boxes, self.options.images)
            width, height = entry.get("width"), entry.get("height")
            stated = (width, height) if isinstance(width, int) and isinstance(height, int) and 0 < width < 1e6 and 0 < height < 1e6 else None
            if key:
                found[entry["id"]] = (key, stated)
        return found

    def _shape(self, context: Context, where: str, annotation: dict, size: tuple[int, int] | None, into: list, value: int) -> None:
        try:
            into.append((value, outline_of(annotation.get("segmentation"), size)))
        except (ValueError, TypeError) as error:
            context.findings.add("skipped", "outline", where, f"{error}; left out of the mask", self.options.segments)


def outline_of(shape: Any, size: tuple[int, int] | None) -> Outline:
    """COCO's segmentation of one object in an image of ``size`` (width, height)."""
    if not shape:
        raise ValueError("no outline")
    if size is None:
        raise ValueError("the image's size is not stated")
    if not isinstance(shape, dict):
        return polygons(shape) if isinstance(shape, list) else polygons([])
    if shape.get("size") not in ([size[1], size[0]], (size[1], size[0])):
        raise ValueError(f"run lengths for an image of {shape.get('size')} (height, width); it has {[size[1], size[0]]}")
    return run_lengths(shape.get("counts"), size)


def _refusal(annotation: Any, seen: set, images: dict, place: dict) -> tuple[str, str] | None:
    if not isinstance(annotation, dict):
        return "bad_object", "not an object with image_id, category_id and bbox"
    box, number = annotation.get("bbox"), _id(annotation)
    if number is not None and number in seen:
        return "duplicate_id", "its id is there twice; the first is used"
    if not isinstance(annotation.get("image_id"), int | str) or annotation["image_id"] not in images:
        return "missing_image", f"its image {str(annotation.get('image_id'))[:40]} is not there"
    if not isinstance(annotation.get("category_id"), int | str) or annotation["category_id"] not in place:
        return "unknown_class", f"its category {str(annotation.get('category_id'))[:40]} is not listed"
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in box):
        return "bad_box", f"bbox: expected [x, y, width, height], found {str(box)[:60]}"
    return None


def _id(annotation: dict) -> Any:
    number = annotation.get("id")
    return number if isinstance(number, int | str) else None


def _text(annotation: Any) -> str:
    return str(_id(annotation))[:40] if isinstance(annotation, dict) else str(annotation)[:40]


def _read(context: Context, file: str) -> dict:
    """The JSON's content.

    Raises:
        DataError: not JSON, or not COCO's.
    """
    try:
        data = json.loads(context.tree.read(file, MOST_JSON_BYTES))
    except (UnreadableError, ValueError, RecursionError) as error:
        raise DataError(f"'{file}' is not readable JSON: {str(error)[:200]}") from None
    lists = isinstance(data, dict) and all(isinstance(data.get(name), list) for name in ("images", "annotations", "categories"))
    if not lists:
        raise DataError(f"'{file}' is not COCO's: expected lists 'images', 'annotations' and 'categories'")
    return data


def _categories(data: dict) -> list[tuple[Any, str]]:
    """(id, name), by id; a doubled id is taken once."""
    found: dict[Any, str] = {}
    for entry in data["categories"]:
        if isinstance(entry, dict) and isinstance(entry.get("id"), int | str) and isinstance(entry.get("name"), str):
            found.setdefault(entry["id"], entry["name"])
    return sorted(found.items(), key=lambda item: (isinstance(item[0], str), item[0]))
