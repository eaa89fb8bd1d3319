"""YOLO: one text file per image, a line per object: class and centre, width, height as shares of the picture's sides; or class and an outline."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from mtl_core.data.imports.formats import Context, Format, Guess, Targets, stem_of
from mtl_core.data.imports.formats.class_names import name_files, names_in, pose_shape
from mtl_core.data.imports.formats.image_index import is_inner
from mtl_core.data.imports.formats.object_format import few_folders
from mtl_core.data.imports.formats.objects import ObjectOptions, Objects, unlisted_question
from mtl_core.data.imports.formats.outlines import Outline, polygon
from mtl_core.data.imports.questions import Question, Reading
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

MOST_TEXT_BYTES = 4 << 20
_NO_LABELS = {"classes.txt", "labels.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "readme.txt", "predefined_classes.txt"}
_OUTSIDE = 1.5  # a coordinate beyond this is no share of a side


class YoloOptions(ObjectOptions):
    """Options of YOLO."""

    folder: str = Field("labels", description="Folder of the text files.")
    names: str = Field("", description="File that names the classes: a YAML, classes.txt, obj.names, notes.json; empty where 'classes' does.")
    points: Literal["auto", "outline", "pose", "turned", "track"] = Field(
        "auto",
        description="What lines of 7 numbers and more hold: an 'outline' (auto: the same), a box and keypoints ('pose'), four corners of a 'turned' "
        "box, a box with confidence and track number ('track').",
    )
    keypoints: list[int] = Field(default_factory=list, description="points: pose: how many keypoints, and 2 or 3 numbers for each (kpt_shape).")

    @model_validator(mode="after")
    def _shape(self) -> YoloOptions:
        if self.keypoints and (len(self.keypoints) != 2 or self.keypoints[1] not in (2, 3) or not 0 < self.keypoints[0] < 10_000):
            raise ValueError(f"keypoints: expected [number, 2 or 3], found {self.keypoints}")
        return self


@dataclass
class _Lines:
    """What a look gathers of the text files of a folder."""

    files: int = 0
    objects: int = 0
    empty: int = 0
    bad: list[str] = field(default_factory=list)
    lengths: Counter[int] = field(default_factory=Counter)
    highest: int = -1
    numbers: Counter[int] = field(default_factory=Counter)  # class -> objects
    beyond: int = 0  # lines of 7 numbers with one that is no share
    inside: int = 0  # lines whose points lie in the box of their first four numbers
    long: int = 0
    keys: dict[str, None] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


class Yolo(Format):
    """Boxes of YOLO."""

    title = "YOLO text files"
    summary = "A text file per image with boxes or outlines as shares of its sides; a file with class names."
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
            lines = _look(context, own, folder) if own else _Lines()
            if lines.objects and len(lines.bad) <= lines.objects:
                if lines.keys:
                    found.append((folder, lines))
                else:
                    context.not_understood(f"{folder}/*.txt" if folder else "*.txt", "YOLO, but their pictures are not there", lines.files)
        listed = {key for _, lines in found for key in lines.keys}
        asked: set[str] = set()
        return [cls._guess(context, folder, lines, listed, asked) for folder, lines in found]

    @classmethod
    def _guess(cls, context: Context, folder: str, lines: _Lines, listed: set[str], asked: set[str]) -> Guess:
        options: dict = {"folder": folder, "boxes": "boxes"}
        questions, notes = _named(context, folder, lines, options)
        shape = pose_shape(context, options.get("names", ""), folder)
        questions += _points(lines, shape, options, notes)
        if options.get("points", "outline") in ("outline", "auto") and any(length >= 7 for length in lines.lengths):
            options["segments"] = "object_masks"
        questions += unlisted_question(context, lines.keys, "text file", listed, asked)
        first = f"'{folder or '.'}': {lines.files:,} text files with {lines.objects:,} objects as YOLO writes them"
        notes.insert(0, f"{first}, {lines.empty:,} of them empty: pictures without objects" if lines.empty else first)
        if lines.bad:
            notes.append(f"'{folder}': {len(lines.bad):,} lines are no objects, such as {lines.bad[0]}")
        context.understood(f"{folder}/*.txt" if folder else "*.txt", "YOLO", lines.files)
        return Guess(options, labelled={"boxes": len(lines.keys)}, notes=notes, questions=questions)

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        classes = options.classes or (names_in(context, options.names) if options.names else [])
        if not classes:
            raise DataError("YOLO: no class names. Give 'names' (a YAML with a list 'names', classes.txt, obj.names) or 'classes'.")
        found = Objects(context, options.model_copy(update={"classes": []}), classes)
        for file in context.tree.files:
            if _is_label(file, options.folder):
                self._file(context, file, classes, found)
        return found.targets()

    def _file(self, context: Context, file: str, classes: list[str], found: Objects) -> None:
        below = file.rpartition("/")[0].removeprefix(self.options.folder).strip("/")
        key = context.image(f"{below}/{stem_of(file)}".strip("/"), file, self.options.boxes, self.options.images, near=file.rpartition("/")[0])
        if not key:
            return
        try:
            lines = _text(context, file)
        except (UnreadableError, UnicodeDecodeError) as error:
            context.findings.add("skipped", "unreadable", file, f"cannot be read: {error}", self.options.boxes)
            return
        if not found.picture(key, file, shares=True):
            return
        for number, line in enumerate(lines, 1):
            where = f"{file}:{number}"
            numbers = _numbers(line)
            if not line.strip():
                continue
            if numbers is None:
                found.refuse(key, "bad_line", where, f"expected class and 4 numbers, found '{line[:60]}'")
            elif not 0 <= numbers[0] < len(classes):
                found.refuse(key, "unknown_class", where, f"class {numbers[0]:g}; there are {len(classes)}")
            else:
                self._object(found, key, where, classes[int(numbers[0])], numbers[1:])

    def _object(self, found: Objects, key: str, where: str, name: str, numbers: list[float]) -> None:
        options = self.options
        behind = options.keypoints[0] * options.keypoints[1] if options.keypoints else 0
        tracked = options.points == "track" or (options.points == "auto" and _is_track(numbers))
        if len(numbers) in (4, 5) or (options.points == "pose" and (len(numbers) == 4 + behind or not behind)) or (tracked and len(numbers) == 6):
            found.add(key, name, _box(numbers))
        elif len(numbers) < 6 or (len(numbers) % 2 and options.points != "outline"):
            found.refuse(key, "bad_line", where, f"expected class and 4 numbers or an outline, found {len(numbers) + 1} numbers")
        else:
            points = numbers if len(numbers) % 2 == 0 else numbers[:-1]  # the last of an odd number is a confidence
            try:
                outline = polygon(points)
            except ValueError as error:
                found.refuse(key, "bad_line", where, str(error))
                return
            found.turned += options.points == "turned"
            found.add(key, name, _around(outline), None if options.points == "turned" else outline)


def _folder(name: str) -> str:
    """The folder that a source reads: 'labels' with all below it, else the file's own."""
    parts = name.split("/")
    return "/".join(parts[: parts.index("labels") + 1]) if "labels" in parts[:-1] else name.rpartition("/")[0]


def _is_label(file: str, folder: str) -> bool:
    return file.startswith(f"{folder}/" if folder else "") and file.lower().endswith(".txt") and file.rpartition("/")[2].lower() not in _NO_LABELS


def _text(context: Context, file: str) -> list[str]:
    return context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig").splitlines()


def _numbers(line: str) -> list[float] | None:
    """Class and what follows; None where that is something else."""
    try:
        numbers = [float(part) for part in line.split()]
    except ValueError:
        return None
    if len(numbers) < 5 or not np.isfinite(numbers[0]) or numbers[0] != int(numbers[0]):
        return None
    return numbers


def _box(numbers: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = numbers[:4]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _around(outline: Outline) -> tuple[float, float, float, float]:
    [points] = outline.polygons
    return (*points.min(0).tolist(), *points.max(0).tolist())  # type: ignore[return-value]


def _look(context: Context, files: list[str], folder: str) -> _Lines:
    found = _Lines()
    for file in files:
        try:
            lines = _text(context, file)
        except (UnreadableError, UnicodeDecodeError):
            continue
        rows = [(line, _numbers(line)) for line in lines if line.strip()]
        good = [numbers for _, numbers in rows if numbers is not None and numbers[0] >= 0 and _plausible(numbers)]
        if rows and not good:
            found.bad += [f"{file}: '{line[:40]}'" for line, _ in rows]
            continue
        found.bad += [f"{file}: '{line[:40]}'" for line, numbers in rows if numbers is None]
        found.files += 1
        found.empty += not rows
        found.objects += len(good)
        below = file.rpartition("/")[0].removeprefix(folder).strip("/")
        try:
            key = context.index.find(f"{below}/{stem_of(file)}".strip("/"), near=file.rpartition("/")[0])
        except Exception:
            key = None
        if key:
            found.keys[key] = None
        for numbers in good:
            found.lengths[len(numbers)] += 1
            found.numbers[int(numbers[0])] += 1
            found.highest = max(found.highest, int(numbers[0]))
            if len(numbers) >= 7:
                found.long += 1
                found.beyond += _is_track(numbers[1:])
                found.inside += _points_inside(numbers)
                if key and len(found.examples) < 6 and key not in found.examples:
                    found.examples.append(key)
    return found


def _plausible(numbers: list[float]) -> bool:
    """Shares of a side, not pixels or a table of other numbers."""
    return bool(np.isfinite(numbers).all()) and numbers[0] < 100_000 and all(-0.5 <= value <= _OUTSIDE for value in numbers[1:5])


def _is_track(numbers: list[float]) -> bool:
    """Whether a confidence and a track number beyond every share follow the box."""
    return len(numbers) == 6 and 0 <= numbers[4] <= 1 and _OUTSIDE < numbers[5] < 1e9 and numbers[5] == int(numbers[5])


def _points_inside(numbers: list[float]) -> bool:
    """Whether what follows the first four numbers lies in the box of them, read as keypoints of 2 or 3 numbers."""
    x1, y1, x2, y2 = _box(numbers[1:])
    rest = numbers[5:]
    for step in (3, 2):
        if len(rest) % step == 0:
            pairs = [(rest[n], rest[n + 1]) for n in range(0, len(rest), step) if step == 2 or rest[n + 2] > 0]
            visible = step == 2 or all(rest[n + 2] in (0, 1, 2) for n in range(0, len(rest), 3))
            if visible and all(x1 - 0.02 <= x <= x2 + 0.02 and y1 - 0.02 <= y <= y2 + 0.02 for x, y in pairs):
                return True
    return False


def _named(context: Context, folder: str, lines: _Lines, options: dict) -> tuple[list[Question], list[str]]:
    """Where the class names come from: a file near the text files, or placeholders."""
    found = {file: names for file in name_files(context, folder) if (names := names_in(context, file))}
    enough = {file: names for file, names in found.items() if len(names) > lines.highest}
    if not enough and found:
        file, names = next(iter(found.items()))
        beyond = sum(count for number, count in lines.numbers.items() if number >= len(names))
        if beyond <= 0.2 * lines.objects or lines.highest == len(names):
            context.understood(file, f"{len(names)} names of classes")
            return _too_few(folder, lines, options, file, names, beyond)
    if not enough:
        options["names"] = ""
        options["classes"] = [f"class {number}" for number in range(lines.highest + 1)]
        why = "no file names the classes"
        if found:
            file, names = next(iter(found.items()))
            why = f"'{file}' names {len(names)} classes, but there are numbers to {lines.highest}"
        return [], [f"'{folder or '.'}': {why}: they are called '{options['classes'][0]}' to '{options['classes'][-1]}' here. Rename them."]
    first = next(iter(enough))
    options["names"] = first
    for file, names in enough.items():
        context.understood(file, f"{len(names)} names of classes")
    different = {tuple(names): file for file, names in reversed(enough.items())}
    notes = [f"'{folder or '.'}': {len(enough[first])} class names from '{first}'"]
    if len(different) == 1:
        return [], notes
    readings = tuple(
        Reading(file, f"{', '.join(names[:8])} (from '{file}')", {"names": file, "classes": []}) for names, file in reversed(different.items())
    )
    evidence = "; ".join(f"'{file}' has {len(names)} names, class 0 is '{names[0]}'" for names, file in reversed(different.items()))
    text = f"Which file names the classes of '{folder or 'the text files'}'?"
    return [Question("names", text, readings, first, f"{evidence}. The one nearest to the text files is taken.", tuple(lines.keys)[:6])], notes


def _too_few(folder: str, lines: _Lines, options: dict, file: str, names: list[str], beyond: int) -> tuple[list[Question], list[str]]:
    """A list that does not name the highest numbers: they get names of their own, or the list counts from 1."""
    more = [*names, *(f"class {number}" for number in range(len(names), lines.highest + 1))]
    options["names"], options["classes"] = "", more
    said = f"'{folder or '.'}': '{file}' names {len(names)} classes, and there are numbers to {lines.highest} ({beyond:,} objects)"
    notes = [f"{said}: those without a name are called '{more[-1]}' and the like here. Rename them."]
    if lines.highest != len(names):
        return [], notes
    readings = (
        Reading("zero", f"0 is '{names[0]}'; number {lines.highest} has no name", {"classes": more}),
        Reading("one", f"1 is '{names[0]}', {lines.highest} is '{names[-1]}'; 0 has no name", {"classes": ["class 0", *names]}),
    )
    taken = "one" if not lines.numbers[0] else "zero"
    options["classes"] = list(next(reading for reading in readings if reading.name == taken).changes["classes"])
    evidence = f"{said[len(repr(folder or '.')) + 2 :]}; number 0 has {lines.numbers[0]:,} objects"
    return [
        Question("counted_from", f"Do the class numbers count from 0 or from 1 in '{file}'?", readings, taken, evidence, tuple(lines.keys)[:6])
    ], notes


def _points(lines: _Lines, shape: list[int], options: dict, notes: list[str]) -> list[Question]:
    """What lines of seven numbers and more are."""
    long = {length: count for length, count in lines.lengths.items() if length >= 7}
    if lines.lengths[6]:
        notes.append(f"{lines.lengths[6]:,} lines have a sixth number (a confidence or a track number): it is not read")
    if not long:
        return []
    if shape:
        options |= {"points": "pose", "keypoints": shape}
        notes.append(f"kpt_shape says {shape[0]} keypoints of {shape[1]} numbers behind each box: boxes are read, keypoints are no task here yet")
        return []
    if set(long) == {7} and lines.beyond == long[7]:
        options["points"] = "track"
        notes.append(f"{long[7]:,} lines have a confidence and a track number behind the box: they are not read")
        return []
    if lines.lengths[5] and lines.beyond == 0:
        notes.append(f"{lines.lengths[5]:,} lines are boxes, {sum(long.values()):,} outlines: in masks the boxes without outline are ignored")
    options["points"] = "outline"
    if len(long) > 1:
        return []  # outlines have as many points as they need, keypoints always the same number
    [(length, count)] = long.items()
    if length % 2 and length not in (7, 9) and (not lines.inside or lines.lengths[5]):
        return []  # keypoints lie in their box, and every line has them
    readings = [Reading("outline", f"outlines of {(length - 1) // 2} points", {"points": "outline", "segments": "object_masks"})]
    evidence = f"All {count:,} such lines have {length} numbers. "
    taken = "outline"
    if length == 9:
        readings.append(Reading("turned", "corners of turned boxes (OBB): the box around them is read", {"points": "turned", "segments": ""}))
        evidence += "Turned boxes always have four corners; outlines rarely all do. "
        taken = "turned"
    for step in (2, 3):
        if (length - 5) % step == 0 and length != 9:
            kept = [(length - 5) // step, step]
            title = f"a box and {kept[0]} keypoints of {step} numbers: the box is read"
            readings.append(Reading(f"pose-{step}", title, {"points": "pose", "keypoints": kept, "segments": ""}))
    if length == 7:
        readings.append(Reading("track", "a box, a confidence and a track number: the box is read", {"points": "track", "segments": ""}))
    if length % 2 == 0:
        readings[0] = Reading("outline", f"outlines of {(length - 2) // 2} points and a confidence", readings[0].changes)
    poses = [reading.name for reading in readings if reading.name.startswith("pose")]
    evidence += f"In {lines.inside:,} the points lie in the box that the first four numbers make."
    if poses and (lines.inside > 0.8 * count or length % 2 == 0):
        taken = poses[-1]
    options |= next(dict(reading.changes) for reading in readings if reading.name == taken)
    if taken == "turned":
        notes.append(f"{count:,} lines hold four corners of a turned box: the box around them is read")
    return [Question("points", f"What are lines of {length} numbers?", tuple(readings), taken, evidence, tuple(lines.examples))]
