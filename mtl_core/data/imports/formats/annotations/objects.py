"""Objects: boxes and outlines collected picture by picture, with the options and rules that all annotation formats share."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from pydantic import Field

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.formats import Context, FormatOptions, Targets, stem_of
from mtl_core.data.imports.formats.annotations.boxes import Boxes, derived, in_order
from mtl_core.data.imports.formats.annotations.outlines import Outline, Shapes, rectangle
from mtl_core.data.imports.formats.annotations.packed_shapes import PackedShapes, packed
from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.looking.questions import Question, Reading

_IGNORED = -1  # name of ignored areas


class ObjectOptions(FormatOptions):
    """Options of every format with objects."""

    images: str = Field("", description="Folder of the images, empty for any.")
    boxes: str = Field("boxes", description="Name of the task of boxes; empty for none.")
    segments: str = Field("", description="Name of a segmentation task made of the objects' outlines; empty for none.")
    present: str = Field("", description="Name of a multi-label task of the present classes; empty for none.")
    counts: str = Field("", description="Prefix of the names of regression tasks that count the objects of each class; empty for none.")
    classes: list[str] = Field(default_factory=list, description="Class names in order; empty for those found.")
    refused: Literal["picture", "object"] = Field(
        "picture", description="What counts as not labelled where an object cannot be used: the 'picture', or only that 'object'."
    )
    other_size: Literal["refuse", "scale"] = Field(
        "refuse", description="Objects said to lie in a picture of another size are refused, or scaled to it where the proportions agree."
    )
    unlisted: Literal["unlabelled", "empty"] = Field(
        "unlabelled", description="Pictures that no file of targets names, in the folders of those named: 'unlabelled', or 'empty' (without objects)."
    )


class TagOptions(ObjectOptions):
    """Options of formats that may also hold tags of whole pictures."""

    tags: str = Field("", description="Name of the task of tags of whole pictures; with several groups of tags, its beginning; empty for none.")


@dataclass
class Picture:
    """What a source says about one image."""

    where: str
    size: tuple[int, int] | None
    shares: bool
    turn: str = ""
    refused: int = 0
    marks: int = 0
    boxes: array = field(default_factory=lambda: array("d"))  # x1, y1, x2, y2, name of each
    shapes: bytearray = field(default_factory=bytearray)  # see packed_shapes
    outlines: int = 0


class Objects:
    """Collects the objects and tags of each picture of a source, and makes targets from them."""

    def __init__(self, context: Context, options: ObjectOptions, classes: Sequence[str] = ()):
        self.context, self.options = context, options
        self.classes = list(options.classes or classes)
        self.pictures: dict[str, Picture] = {}
        self.tags: dict[str, dict[str, list[str]]] = defaultdict(dict)  # group -> key -> tags
        self.names: dict[str, int] = {}  # class name -> number, in order of appearance
        self.bare = 0  # number of objects with a box and no outline
        self.turned = 0  # number of rotated boxes, which are replaced by the upright box around them
        self.ignored = 0  # number of areas that a format says hold no objects to learn
        self.left_out: dict[str, int] = defaultdict(int)

    def picture(self, key: str, where: str, size: tuple[int, int] | None = None, shares: bool = False, turn: str = "") -> bool:
        """Start a picture that a file of targets names. False, with a finding, if another file has named it before."""
        if key in self.pictures:
            self.context.findings.add("skipped", "duplicate", where, f"a second list of objects of '{key}'; the first is used", self.options.boxes)
            return False
        self.pictures[key] = Picture(where, size, shares, turn)
        return True

    def add(self, key: str, name: str, box: tuple[float, float, float, float] | None, outline: Outline | None = None) -> None:
        """Add an object of a picture; without a box, the box of its outline is used."""
        picture = self.pictures[key]
        if box is None and outline is not None:
            box = enclosing(outline)
        if self.options.classes and name not in self.options.classes:
            self.left_out[name] += 1
            return
        number = self.names.setdefault(name, len(self.names))
        if box is not None:
            picture.boxes.extend((*box, number))
        if not self.options.segments:
            return
        if outline is not None:
            picture.outlines += 1
            picture.shapes += packed(number, outline)
        elif box is not None and _has_area(box):
            self.bare += 1
            picture.shapes += packed(_IGNORED, _area(box), layer=0)  # an outline above it counts

    def ignore(self, key: str, box: tuple[float, float, float, float] | None, outline: Outline | None = None) -> None:
        """Add an ignored area, such as a crowd."""
        if outline is None and box is not None and _has_area(box):
            outline = _area(box)
        if outline is not None and self.options.segments:
            self.pictures[key].shapes += packed(_IGNORED, outline)

    def refuse(self, key: str, kind: str, where: str, sentence: str) -> None:
        """Report an unusable object of a picture."""
        self.context.findings.add("skipped", kind, where, sentence, self.options.boxes)
        self.pictures[key].refused += 1

    def skip(self, key: str, kind: str, where: str, sentence: str) -> None:
        """Report a mark without area, such as a point. A picture with no other marks counts as not labelled."""
        self.context.findings.add("note", kind, where, sentence, self.options.boxes)
        self.pictures[key].marks += 1

    def tag(self, key: str, group: str, names: Iterable[str]) -> None:
        """Add tags of a whole picture."""
        self.tags[group].setdefault(key, []).extend(names)

    def targets(self) -> list[Targets]:
        """All tasks that the options name."""
        options = self.options
        for picture in self.pictures.values():
            picture.refused += 0 if picture.boxes else picture.marks
        if self.turned:
            sentence = f"{self.turned:,} boxes are turned: the upright box around each is used, which is larger"
            self.context.findings.add("note", "turned_boxes", options.boxes, sentence, options.boxes)
        for name, count in sorted(self.left_out.items()):
            sentence = f"{count:,} objects of class '{name}', which is not listed under 'classes'"
            self.context.findings.add("skipped", "unknown_class", name, sentence, options.boxes)
        classes = tuple(dict.fromkeys(self.classes)) if self.classes else in_order(set(self.names))
        classes += in_order(set(self.names) - set(classes))
        found = []
        boxes = Targets(options.boxes, "detection", classes)
        boxes.values = self._boxes({name: index for index, name in enumerate(classes)})
        if options.unlisted == "empty":
            boxes.unlisted_in = frozenset(key.rpartition("/")[0] for key in self.pictures)
            boxes.nothing = Boxes(np.zeros((0, 5)))
        if options.boxes:
            found.append(boxes)
        found += derived(boxes, options.present, options.counts)
        if options.segments:
            found.append(self._segments(classes, boxes.unlisted_in))
        return found + self._tag_targets()

    def _boxes(self, place: dict[str, int]) -> dict[str, Boxes]:
        keep, index = self.options.refused == "object", np.array([place[name] for name in self.names], np.float64)
        found = {}
        for key, picture in self.pictures.items():
            rows = np.array(picture.boxes, np.float64).reshape(-1, 5)
            rows[:, 4] = index[rows[:, 4].astype(np.int64)] if len(rows) else 0
            found[key] = Boxes(rows, picture.shares, picture.size, picture.refused, keep, picture.turn, self.options.other_size == "scale")
        return found

    def _segments(self, classes: tuple[str, ...], unlisted: frozenset[str]) -> Targets:
        options, place = self.options, {name: index + 1 for index, name in enumerate(classes)}
        numbers = {number: place[name] for name, number in self.names.items()} | {_IGNORED: IGNORE}
        values: dict[str, Shapes] = {}
        for key, picture in self.pictures.items():
            if not picture.refused or options.refused == "object":
                values[key] = PackedShapes(
                    picture.shapes, numbers, picture.size, picture.shares, picture.turn == "upright", options.other_size == "scale"
                )
        if self.bare:
            sentence = f"{self.bare:,} objects have a box and no outline: the pixels in their boxes are ignored unless another outline covers them"
            self.context.findings.add("note", "box_without_outline", options.segments, sentence, options.segments)
        nothing = Shapes(()) if unlisted else None
        return Targets(options.segments, "segmentation", ("background", *classes), values=values, unlisted_in=unlisted, nothing=nothing)

    def _tag_targets(self) -> list[Targets]:
        wanted = getattr(self.options, "tags", "")
        found = []
        for group, values in self.tags.items() if wanted else ():
            name = wanted if len(self.tags) == 1 or not group else f"{wanted}_{group}"
            classes = in_order({tag for tags in values.values() for tag in tags})
            place = {tag: index for index, tag in enumerate(classes)}
            if all(len(set(tags)) == 1 for tags in values.values()):
                found.append(Targets(name, "classification", classes, values={key: place[tags[0]] for key, tags in values.items()}))
            else:
                several = {key: tuple(sorted({place[tag] for tag in tags})) for key, tags in values.items()}
                found.append(Targets(name, "multi_label", classes, values=several))
        return found


def enclosing(outline: Outline) -> tuple[float, float, float, float] | None:
    """The box around an outline; None if the outline has no pixels."""
    if outline.counts is not None:
        from pycocotools import mask as coco_mask

        from mtl_core.data.imports.formats.annotations import rle

        inside = np.asfortranarray(rle.decoded(outline.counts, *outline.stated_size), np.uint8)
        x, y, width, height = coco_mask.toBbox(coco_mask.encode(inside)).tolist()
        return (x, y, x + width, y + height) if width and height else None
    points = np.concatenate(outline.polygons)
    return (*points.min(0).tolist(), *points.max(0).tolist())


def _has_area(box: Sequence[float]) -> bool:
    return bool(np.isfinite(box).all()) and box[2] > box[0] and box[3] > box[1]


def _area(box: Sequence[float]) -> Outline:
    return rectangle(*np.clip(box[:4], -999_999.0, 999_999.0).tolist())


NOWHERE = (float("nan"), float("nan"), float("nan"), float("nan"))  # box of an object whose numbers cannot be read


def number(value: Any) -> float:
    """A number of JSON or XML; nan for anything else."""
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else float("nan")
    except (ValueError, OverflowError):
        return float("nan")
    return found


def picture_size(width: Any, height: Any) -> tuple[int, int] | None:
    """(width, height) as a file states it; None if it states none."""
    across, down = number(width), number(height)
    return (int(across), int(down)) if 0 < across < 1e6 and 0 < down < 1e6 else None


def options_of(found: Objects, prefix: str = "") -> dict[str, Any]:
    """Options with the tasks that a look proposes for the collected objects."""
    proposed: dict[str, Any] = {}
    has_objects = any(picture.boxes for picture in found.pictures.values())
    proposed["boxes"] = f"boxes{prefix}" if has_objects else ""
    if any(picture.outlines for picture in found.pictures.values()) and len(found.names) < IGNORE - 1:
        proposed["segments"] = f"object_masks{prefix}"
    if has_objects and len(found.names) > 1:
        proposed["present"] = f"present{prefix}"
    if found.tags:
        proposed["tags"] = f"tags{prefix}"
    return proposed


def unlisted_question(
    context: Context, keys: Iterable[str], what: str = "file of objects", listed: Collection[str] = (), asked: set[str] | None = None
) -> list[Question]:
    """The question about unlisted pictures beside the listed ones: without objects, or not labelled?

    Args:
        keys: images that this source names. ``listed``: images that other sources of the format name.
        asked: folders that another source asks about; those of this source are added.
    """
    own = set(keys)
    have = own | set(listed)
    folders = {key.rpartition("/")[0] for key in own} - (asked or set())
    if asked is not None:
        asked |= folders
    others = [key for key in context.index.keys if key not in have and not is_inner(key) and key.rpartition("/")[0] in folders]
    if not own or not others:
        return []
    readings = (
        Reading("unlabelled", "not labelled, or not known", {"unlisted": "unlabelled"}),
        Reading("empty", "labelled, without objects", {"unlisted": "empty"}),
    )
    text = f"What are the {len(others):,} pictures that no {what} names?"
    named = sum(key.rpartition("/")[0] in folders for key in have)
    evidence = (
        f"{named:,} pictures are named, {len(others):,} more lie in the same folders. As not labelled, this task does not train on them; "
        "as without objects, they train the background, wrongly if they show objects."
    )
    return [Question("unlisted", text, readings, "unlabelled", evidence, tuple(others[:6]))]


def own_stem(file: str) -> str:
    """Folder and stem of a file of targets, which its picture beside it shares."""
    folder = file.rpartition("/")[0]
    return f"{folder}/{stem_of(file)}" if folder else stem_of(file)


def same_id(value: Any) -> int | str | None:
    """An id in its compared form: 7, 7.0 and "7" are equal; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float):
        return int(value) if value == value and abs(value) < 1e300 and value == int(value) else None
    if isinstance(value, str):
        text = value.strip()
        plain = text.removesuffix(".0")
        return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 30 and (plain == "0" or plain[0] != "0") else text
    return value
