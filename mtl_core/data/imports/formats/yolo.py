"""YOLO: one text file per image, a line per object (class, centre x, centre y, width, height as shares; or a polygon), names in a YAML."""

from __future__ import annotations

from collections import Counter

import numpy as np
from pydantic import Field

from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets, stem_of
from mtl_core.data.imports.formats.boxes import Boxes, derived
from mtl_core.data.imports.spec import ImageSpec
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import ConfigError, DataError
from mtl_core.plain_yaml import read_yaml

MOST_TEXT_BYTES = 4 << 20


class YoloOptions(FormatOptions):
    """Options of YOLO."""

    folder: str = Field("labels", description="Folder of the text files.")
    images: str = Field("", description="Folder of their images, empty for any.")
    names: str = Field("", description="The YAML that names the classes; empty where 'classes' does.")
    classes: list[str] = Field(default_factory=list, description="Class names in order, where there is no YAML.")
    boxes: str = Field("boxes", description="Name of the task of boxes.")
    present: str = Field("", description="Name of a multi-label task: which classes there are; empty for none.")
    counts: str = Field("", description="Beginning of the names of regression tasks: how many of each class; empty for none.")


class Yolo(Format):
    """Boxes of YOLO."""

    title = "YOLO text files"
    summary = "A text file per image with boxes as shares of its sides; a YAML with class names."
    Options = YoloOptions
    options: YoloOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        stems = {stem_of(key) for key in context.index.keys}
        folders: Counter[str] = Counter()
        for name in context.tree.files:
            if name.lower().endswith(".txt") and stem_of(name) in stems:
                parts = name.split("/")
                folders["/".join(parts[: parts.index("labels") + 1]) if "labels" in parts[:-1] else name.rpartition("/")[0]] += 1
        yamls = [name for name in context.tree.files if name.lower().endswith((".yaml", ".yml")) and _names(context, name)]
        guesses = []
        for folder, count in folders.items():
            files = [name for name in context.tree.files if name.startswith(f"{folder}/" if folder else "") and name.lower().endswith(".txt")]
            if not any(_lines(context, file) for file in files[:20] if stem_of(file) in stems):
                continue
            classes = _names(context, yamls[0]) if yamls else []
            options = {"folder": folder, "names": yamls[0] if yamls else "", "boxes": "boxes"}
            note = f"'{folder}': {count:,} text files with boxes as YOLO writes them" + (
                "" if classes else "; no YAML names the classes: give 'classes'"
            )
            guesses.append(Guess(options, labelled={"boxes": count}, notes=[note]))
        return guesses

    def read(self, context: Context) -> list[Targets]:
        options = self.options
        classes = options.classes or (_names(context, options.names) if options.names else [])
        if not classes:
            raise DataError("YOLO: no class names. Give 'names' (a YAML with a list 'names') or 'classes'.")
        targets = Targets(options.boxes, "detection", tuple(classes))
        prefix = f"{options.folder}/" if options.folder else ""
        skipped = {"classes.txt", "train.txt", "val.txt", "test.txt", "readme.txt"}
        for file in context.tree.files:
            if not file.startswith(prefix) or not file.lower().endswith(".txt") or file.rpartition("/")[2].lower() in skipped:
                continue
            folder = file.rpartition("/")[0].removeprefix(options.folder).strip("/")
            key = context.image(f"{folder}/{stem_of(file)}".strip("/"), file, options.boxes, options.images)
            if key:
                targets.values[key] = Boxes(self._rows(context, file, len(classes)), shares=True)
        return [*([targets] if options.boxes else []), *derived(targets, options.present, options.counts)]

    def _rows(self, context: Context, file: str, classes: int) -> np.ndarray:
        rows = []
        try:
            lines = context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8-sig").splitlines()
        except (UnreadableError, UnicodeDecodeError) as error:
            context.findings.add("skipped", "unreadable", file, f"cannot be read: {error}", self.options.boxes)
            return np.zeros((0, 5))
        for number, line in enumerate(lines, 1):
            row = _row(line)
            if row is None and line.strip():
                context.findings.add(
                    "skipped", "bad_line", f"{file}:{number}", f"expected class and 4 numbers, found '{line[:60]}'", self.options.boxes
                )
            elif row is not None and not 0 <= row[4] < classes:
                context.findings.add("skipped", "unknown_class", f"{file}:{number}", f"class {row[4]:g}; there are {classes}", self.options.boxes)
            elif row is not None:
                rows.append(row)
        return np.array(rows, np.float64).reshape(-1, 5)


def _row(line: str) -> tuple[float, ...] | None:
    """x1, y1, x2, y2 as shares, class; of a polygon what encloses it."""
    try:
        numbers = [float(part) for part in line.split()]
    except ValueError:
        return None
    if len(numbers) < 5 or numbers[0] != int(numbers[0] if np.isfinite(numbers[0]) else -1):
        return None
    if len(numbers) in (5, 6):
        _, x, y, width, height = numbers[:5]
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2, numbers[0]
    if len(numbers) % 2 == 0 or len(numbers) < 7:
        return None
    xs, ys = numbers[1::2], numbers[2::2]
    return min(xs), min(ys), max(xs), max(ys), numbers[0]


def _lines(context: Context, file: str) -> bool:
    try:
        text = context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8")
    except (UnreadableError, UnicodeDecodeError):
        return False
    rows = [_row(line) for line in text.splitlines() if line.strip()]
    return bool(rows) and all(row is not None for row in rows)


def _names(context: Context, file: str) -> list[str]:
    try:
        data = read_yaml(context.tree.read(file, MOST_TEXT_BYTES).decode("utf-8"), MOST_TEXT_BYTES)
    except (UnreadableError, UnicodeDecodeError, ConfigError):
        return []
    names = data.get("names") if isinstance(data, dict) else None
    if isinstance(names, dict) and all(isinstance(n, int) for n in names) and sorted(names) == list(range(len(names))):
        names = [names[n] for n in range(len(names))]
    return [str(name) for name in names] if isinstance(names, list) else []
