"""YOLO: one text file per image, a line per object: class and centre, width, height as shares of the picture's sides, and keypoints behind them;
or class and an outline.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from pydantic import Field, model_validator

from mtl_core.data.imports.formats import Context, Format, Guess, Targets, stem_of
from mtl_core.data.imports.formats.annotations.object_format import few_folders
from mtl_core.data.imports.formats.annotations.objects import Objects, unlisted_question
from mtl_core.data.imports.formats.annotations.outlines import Outline, polygon
from mtl_core.data.imports.formats.annotations.point_sets import PointOptions, PointSets, point_rows
from mtl_core.data.imports.formats.annotations.yolo_look import (
    TextLines,
    ask_about_points,
    corners_of,
    find_class_names,
    is_track,
    look_at_lines,
    numbers_in,
    read_lines,
)
from mtl_core.data.imports.formats.class_names import names_in, pose_file
from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

_NO_LABELS = {"classes.txt", "labels.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt", "predefined_classes.txt"}


class YoloOptions(PointOptions):
    """Options of YOLO."""

    folder: str = Field("labels", description="Folder of the text files.")
    names: str = Field("", description="File that names the classes: a YAML, classes.txt, obj.names, notes.json; empty where 'classes' does.")
    points: Literal["auto", "outline", "pose", "turned", "track"] = Field(
        "auto",
        description="What lines of 7 numbers and more hold: an 'outline' (auto: the same), a box and keypoints ('pose'), four corners of a 'turned' "
        "box, a box with confidence and track number ('track').",
    )
    keypoints: list[int] = Field(default_factory=list, description="points: pose: number of keypoints, and 2 or 3 numbers for each (kpt_shape).")

    @model_validator(mode="after")
    def _shape(self) -> YoloOptions:
        if self.keypoints and (len(self.keypoints) != 2 or self.keypoints[1] not in (2, 3) or not 0 < self.keypoints[0] < 10_000):
            raise ValueError(f"keypoints: expected [number, 2 or 3], found {self.keypoints}")
        if self.named_points and (self.points != "pose" or not self.keypoints):
            raise ValueError("named_points: needs 'points: pose' and 'keypoints: [number, 2 or 3]', which say where the points stand in a line")
        for task in self.named_points:
            if len(task.names) != self.keypoints[0]:
                raise ValueError(f"named_points: '{task.task}' names {len(task.names)} points; 'keypoints' says {self.keypoints[0]}")
        return self


class Yolo(Format):
    """Boxes, outlines and keypoints of YOLO."""

    title = "YOLO text files"
    summary = "A text file per image with boxes, keypoints or outlines as shares of its sides; a file with class names."
    Options = YoloOptions
    options: YoloOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        stems = {stem_of(key) for key in context.index.keys if not is_inner(key)}
        folders: dict[str, list[str]] = defaultdict(list)
        for name in context.tree.files:
            if name.lower().endswith(".txt") and name.rpartition("/")[2].lower() not in _NO_LABELS:
                folders[_folder(name)].append(name)
        found = []
        for folder, files in few_folders(folders).items():
            own = [file for file in files if stem_of(file) in stems]
            lines = look_at_lines(context, own, folder) if own else TextLines()
            if lines.objects and len(lines.bad) <= lines.objects:
                if lines.keys:
                    found.append((folder, lines))
                else:
                    context.not_understood(f"{folder}/*.txt" if folder else "*.txt", "YOLO, but their pictures are not there", lines.files)
        listed = {key for _, lines in found for key in lines.keys}
        asked: set[str] = set()
        return [cls._guess(context, folder, lines, listed, asked) for folder, lines in found]

    @classmethod
    def _guess(cls, context: Context, folder: str, lines: TextLines, listed: set[str], asked: set[str]) -> Guess:
        options: dict = {"folder": folder, "boxes": "boxes"}
        questions, notes = find_class_names(context, folder, lines, options)
        pose = pose_file(context, options.get("names", ""), folder)
        questions += ask_about_points(lines, pose, options, notes)
        if options.get("points", "outline") in ("outline", "auto") and any(length >= 7 for length in lines.lengths):
            options["segments"] = "object_masks"
        questions += unlisted_question(context, lines.keys, "text file", listed, asked)
        first = f"'{folder or '.'}': {lines.files:,} text files with {lines.objects:,} objects as YOLO writes them"
        notes.insert(0, f"{first}, {lines.empty:,} of them empty: pictures without objects" if lines.empty else first)
        if lines.bad:
            notes.append(f"'{folder}': {len(lines.bad):,} lines are no objects, such as {lines.bad[0]}")
        context.understood(f"{folder}/*.txt" if folder else "*.txt", "YOLO", lines.files)
        return Guess(
            options,
            labelled={"boxes": len(lines.keys)} | {task["task"]: lines.pointed for task in options.get("named_points", ())},
            notes=notes,
            questions=questions,
        )

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        classes = options.classes or (names_in(context, options.names) if options.names else [])
        if not classes:
            raise DataError("YOLO: no class names. Give 'names' (a YAML with a list 'names', classes.txt, obj.names) or 'classes'.")
        found = Objects(context, options.model_copy(update={"classes": []}), classes)
        points = PointSets(context, options)
        for file in context.tree.files:
            if _is_label(file, options.folder):
                self._file(context, file, classes, found, points)
        named = points.targets(found.pictures)
        return [*found.targets(), *named]

    def _file(self, context: Context, file: str, classes: list[str], found: Objects, points: PointSets) -> None:
        below = file.rpartition("/")[0].removeprefix(self.options.folder).strip("/")
        key = context.image(f"{below}/{stem_of(file)}".strip("/"), file, self.options.boxes, self.options.images, near=file.rpartition("/")[0])
        if not key:
            return
        try:
            lines = read_lines(context, file)
        except (UnreadableError, UnicodeDecodeError) as error:
            context.findings.add("skipped", "unreadable", file, f"cannot be read: {error}", self.options.boxes)
            return
        if not found.picture(key, file, shares=True):
            return
        for number, line in enumerate(lines, 1):
            where = f"{file}:{number}"
            numbers = numbers_in(line)
            if not line.strip():
                continue
            if numbers is None:
                found.refuse(key, "bad_line", where, f"expected class and 4 numbers, found '{line[:60]}'")
            elif not 0 <= numbers[0] < len(classes):
                found.refuse(key, "unknown_class", where, f"class {numbers[0]:g}; there are {len(classes)}")
            else:
                self._object(found, points, key, where, classes[int(numbers[0])], numbers[1:])

    def _object(self, found: Objects, points: PointSets, key: str, where: str, name: str, numbers: list[float]) -> None:
        options = self.options
        behind = options.keypoints[0] * options.keypoints[1] if options.keypoints else 0
        tracked = options.points == "track" or (options.points == "auto" and is_track(numbers))
        if len(numbers) in (4, 5) or (options.points == "pose" and (len(numbers) == 4 + behind or not behind)) or (tracked and len(numbers) == 6):
            try:
                rows = point_rows(numbers[4:], options.keypoints[1]) if options.named_points and len(numbers) == 4 + behind else None
            except ValueError as error:
                found.refuse(key, "bad_points", where, str(error))
                return
            points.add(key, name, rows, corners_of(numbers), where)
            found.add(key, name, corners_of(numbers))
        elif len(numbers) < 6 or (len(numbers) % 2 and options.points != "outline"):
            found.refuse(key, "bad_line", where, f"expected class and 4 numbers or an outline, found {len(numbers) + 1} numbers")
        else:
            places = numbers if len(numbers) % 2 == 0 else numbers[:-1]  # the last of an odd number is a confidence
            try:
                outline = polygon(places)
            except ValueError as error:
                found.refuse(key, "bad_line", where, str(error))
                return
            found.turned += options.points == "turned"
            found.add(key, name, _around(outline), None if options.points == "turned" else outline)


def _folder(name: str) -> str:
    """The folder of a source: 'labels' with all below it, else the file's own folder."""
    parts = name.split("/")
    return "/".join(parts[: parts.index("labels") + 1]) if "labels" in parts[:-1] else name.rpartition("/")[0]


def _is_label(file: str, folder: str) -> bool:
    return file.startswith(f"{folder}/" if folder else "") and file.lower().endswith(".txt") and file.rpartition("/")[2].lower() not in _NO_LABELS


def _around(outline: Outline) -> tuple[float, float, float, float]:
    [points] = outline.polygons
    return (*points.min(0).tolist(), *points.max(0).tolist())  # type: ignore[return-value]
