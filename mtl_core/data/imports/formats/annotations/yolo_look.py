"""A first look at YOLO text files: counts, class names, and what long lines hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mtl_core.data.imports.formats import Context, stem_of
from mtl_core.data.imports.formats.annotations.point_look import mirror_question, proposed_points, several_question
from mtl_core.data.imports.formats.annotations.point_sets import MOST_POINTS
from mtl_core.data.imports.formats.class_names import PoseFile, name_files, names_in
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.tree import UnreadableError

MOST_TEXT_BYTES = 4 << 20
_OUTSIDE = 1.5  # largest coordinate that counts as a share of a side


@dataclass
class TextLines:
    """Statistics of the text files of a folder."""

    files: int = 0
    objects: int = 0
    empty: int = 0
    bad: list[str] = field(default_factory=list)
    lengths: Counter[int] = field(default_factory=Counter)
    highest: int = -1
    numbers: Counter[int] = field(default_factory=Counter)  # class -> objects
    beyond: int = 0  # lines of 7 numbers that look like a track
    inside: int = 0  # lines whose points lie in the box of their first four numbers
    long: int = 0
    several: Counter[str] = field(default_factory=Counter)  # file -> lines of 7 numbers and more, where there are several
    several_keys: list[str] = field(default_factory=list)
    pointed: int = 0  # files with a line of 7 numbers and more
    keys: dict[str, None] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


def look_at_lines(context: Context, files: list[str], folder: str) -> TextLines:
    found = TextLines()
    for file in files:
        try:
            lines = read_lines(context, file)
        except (UnreadableError, UnicodeDecodeError):
            continue
        rows = [(line, numbers_in(line)) for line in lines if line.strip()]
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
        long = sum(len(numbers) >= 7 for numbers in good)
        found.pointed += bool(long)
        if long > 1:
            found.several[file] = long
            found.several_keys += [key] if key and len(found.several_keys) < 6 else []
        for numbers in good:
            found.lengths[len(numbers)] += 1
            found.numbers[int(numbers[0])] += 1
            found.highest = max(found.highest, int(numbers[0]))
            if len(numbers) >= 7:
                found.long += 1
                found.beyond += is_track(numbers[1:])
                found.inside += _points_inside(numbers)
                if key and len(found.examples) < 6 and key not in found.examples:
                    found.examples.append(key)
    return found


def _plausible(numbers: list[float]) -> bool:
    """Whether the numbers are shares of a side, not pixels or other numbers."""
    return bool(np.isfinite(numbers).all()) and numbers[0] < 100_000 and all(-0.5 <= value <= _OUTSIDE for value in numbers[1:5])


def is_track(numbers: list[float]) -> bool:
    """Whether a confidence and a track number follow the box."""
    return len(numbers) == 6 and 0 <= numbers[4] <= 1 and _OUTSIDE < numbers[5] < 1e9 and numbers[5] == int(numbers[5])


def _points_inside(numbers: list[float]) -> bool:
    """Whether the numbers after the box, read as keypoints of 2 or 3 numbers, lie in the box."""
    x1, y1, x2, y2 = corners_of(numbers[1:])
    rest = numbers[5:]
    for step in (3, 2):
        if len(rest) % step == 0:
            pairs = [(rest[n], rest[n + 1]) for n in range(0, len(rest), step) if step == 2 or rest[n + 2] > 0]
            visible = step == 2 or all(rest[n + 2] in (0, 1, 2) for n in range(0, len(rest), 3))
            if visible and all(x1 - 0.02 <= x <= x2 + 0.02 and y1 - 0.02 <= y <= y2 + 0.02 for x, y in pairs):
                return True
    return False


def find_class_names(context: Context, folder: str, lines: TextLines, options: dict) -> tuple[list[Question], list[str]]:
    """Find the class names in a file near the text files, else use placeholders. Returns (questions, notes) and sets ``options``."""
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


def _too_few(folder: str, lines: TextLines, options: dict, file: str, names: list[str], beyond: int) -> tuple[list[Question], list[str]]:
    """The same for a list that is shorter than the highest number: numbers without a name get placeholders, or the list counts from 1."""
    more = [*names, *(f"class {number}" for number in range(len(names), lines.highest + 1))]
    options["names"], options["classes"] = "", more
    notes = [
        f"'{folder or '.'}': '{file}' names {len(names)} classes, and there are numbers to {lines.highest} ({beyond:,} objects): "
        f"those without a name are called '{more[-1]}' and the like here. Rename them."
    ]
    if lines.highest != len(names):
        return [], notes
    readings = (
        Reading("zero", f"0 is '{names[0]}'; number {lines.highest} has no name", {"classes": more}),
        Reading("one", f"1 is '{names[0]}', {lines.highest} is '{names[-1]}'; 0 has no name", {"classes": ["class 0", *names]}),
    )
    taken = "one" if not lines.numbers[0] else "zero"
    options["classes"] = list(next(reading for reading in readings if reading.name == taken).changes["classes"])
    evidence = (
        f"'{file}' names {len(names)} classes, and there are numbers to {lines.highest} ({beyond:,} objects); "
        f"number 0 has {lines.numbers[0]:,} objects"
    )
    return [
        Question("counted_from", f"Do the class numbers count from 0 or from 1 in '{file}'?", readings, taken, evidence, tuple(lines.keys)[:6])
    ], notes


def ask_about_points(lines: TextLines, pose: PoseFile, options: dict, notes: list[str]) -> list[Question]:
    """Decide what lines of seven and more numbers hold. Sets ``options``, adds ``notes`` and returns questions."""
    long = {length: count for length, count in lines.lengths.items() if length >= 7}
    if lines.lengths[6]:
        notes.append(f"{lines.lengths[6]:,} lines have a sixth number (a confidence or a track number): it is not read")
    if not long:
        return []
    if pose.shape:
        return _take_pose(lines, pose, options, notes)
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
    return _ask_what_lines_hold(lines, length, count, options, notes)


def _take_pose(lines: TextLines, pose: PoseFile, options: dict, notes: list[str]) -> list[Question]:
    """The keypoints of which ``kpt_shape`` says how many there are."""
    assert pose.shape
    count, numbers = pose.shape
    points, said = proposed_points("points", pose.names, count, pose.mirror)
    options |= {"points": "pose", "keypoints": pose.shape, "named_points": [points]}
    notes += [f"kpt_shape says {count} keypoints of {numbers} numbers behind each box: task 'points'", *said]
    return [*_ask_whose(lines), *mirror_question([points], lines.examples)]


def _ask_what_lines_hold(lines: TextLines, length: int, count: int, options: dict, notes: list[str]) -> list[Question]:
    """The questions about ``count`` lines that all have ``length`` numbers."""
    poses, said = _readings_as_poses(length)
    readings = [_reading_as_outline(length)]
    if length == 9:
        readings.append(Reading("turned", "corners of turned boxes (OBB): the box around them is read", _without_points("turned")))
    readings += poses
    if length == 7:
        readings.append(Reading("track", "a box, a confidence and a track number: the box is read", _without_points("track")))
    if poses and (lines.inside > 0.8 * count or length % 2 == 0):
        taken = poses[-1]
    else:
        taken = readings[1] if length == 9 else readings[0]
    evidence = (
        f"All {count:,} such lines have {length} numbers. Turned boxes always have four corners; outlines rarely all do. "
        f"In {lines.inside:,} the points lie in the box that the first four numbers make."
        if length == 9
        else f"All {count:,} such lines have {length} numbers. In {lines.inside:,} the points lie in the box that the first four numbers make."
    )
    options |= dict(taken.changes)
    more = []
    if taken.name == "turned":
        notes.append(f"{count:,} lines hold four corners of a turned box: the box around them is read")
    if options["points"] == "pose":
        notes += said
        more = _ask_whose(lines)  # nothing about a mirror, which the other readings do not have
    return [Question("points", f"What are lines of {length} numbers?", tuple(readings), taken.name, evidence, tuple(lines.examples)), *more]


def _reading_as_outline(length: int) -> Reading:
    changes = {"points": "outline", "segments": "object_masks", "named_points": []}
    text = f"outlines of {(length - 1) // 2} points" if length % 2 else f"outlines of {(length - 2) // 2} points and a confidence"
    return Reading("outline", text, changes)


def _readings_as_poses(length: int) -> tuple[list[Reading], list[str]]:
    """Lines of a box and keypoints of two or three numbers each, where that fits; with what is to be said of the last of these readings."""
    readings: list[Reading] = []
    said: list[str] = []
    for step in (2, 3):
        count = (length - 5) // step
        if (length - 5) % step == 0 and length != 9 and count <= MOST_POINTS:
            points, said = proposed_points("points", [], count)
            changes = {"points": "pose", "keypoints": [count, step], "segments": "", "named_points": [points]}
            readings.append(Reading(f"pose-{step}", f"a box and {count} keypoints of {step} numbers", changes))
    return readings, said


def _without_points(what: str) -> dict[str, Any]:
    return {"points": what, "segments": "", "named_points": []}


def _ask_whose(lines: TextLines) -> list[Question]:
    return several_question(lines.pointed, len(lines.several), max(lines.several.values(), default=0), lines.several_keys)


def read_lines(context: Context, file: str) -> list[str]:
    return context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig").splitlines()


def numbers_in(line: str) -> list[float] | None:
    """Class number and coordinates of a line; None if it is no YOLO line."""
    try:
        numbers = [float(part) for part in line.split()]
    except ValueError:
        return None
    if len(numbers) < 5 or not np.isfinite(numbers[0]) or numbers[0] != int(numbers[0]):
        return None
    return numbers


def corners_of(numbers: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = numbers[:4]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
