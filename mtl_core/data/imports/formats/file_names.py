"""Classes in file names: ``cat_12.jpg``, ``beagle-3.png``. A pattern gives the position of the class in the name."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from pydantic import Field, field_validator

from mtl_core.data.imports.formats import Context, Format, FormatOptions, Guess, Targets, stem_of
from mtl_core.data.imports.formats.annotations.boxes import in_order
from mtl_core.data.imports.formats.image_index import is_idx_row, is_inner
from mtl_core.data.imports.looking.questions import Question, Reading
from mtl_core.data.imports.spec import ImageSpec

_PLAIN = frozenset(
    [
        "img",
        "image",
        "images",
        "pic",
        "picture",
        "photo",
        "frame",
        "dsc",
        "dscn",
        "dscf",
        "imgp",
        "scan",
        "screenshot",
        "file",
        "sample",
        "data",
        "test",
        "train",
        "val",
        "p",
        "s",
    ]
)
_PATTERNS = (
    "{class}_{number}",
    "{class}-{number}",
    "{class}.{number}",
    "{class} ({number})",
    "{class} {number}",
    "{class}{number}",
    "{number}_{class}",
)
_PIECES = {"{class}": "(?P<name>.+)", "{number}": r"\d+", "*": ".*"}


class FileNamesOptions(FormatOptions):
    """Options of classes in file names."""

    pattern: str = Field(
        "{class}_{number}",
        max_length=80,
        description="The name without extension: {class} once, {number} for digits, * for anything. '{class}_*' takes all before the last '_'.",
    )
    folder: str = Field("", description="Only images in or below this folder.")
    task: str = Field("class", description="Name of the task; empty leaves it out.")
    classes: list[str] = Field(default_factory=list, description="Class names in order; empty for those found.")

    @field_validator("pattern")
    @classmethod
    def _one_class(cls, pattern: str) -> str:
        if pattern.count("{class}") != 1 or pattern.count("*") + pattern.count("{number}") > 2:
            raise ValueError("expected {class} once and at most two of {number} and *, such as '{class}_{number}'")
        return pattern


def _file_of(key: str) -> str:
    """The file of a picture. All frames of a stack have the class in the file's name."""
    return key.rpartition("#")[0] if is_inner(key) else key


class FileNames(Format):
    """Class labels from file names."""

    title = "File names"
    summary = "The class is a part of each file's name, such as cat_12.jpg."
    Options = FileNamesOptions
    options: FileNamesOptions

    @classmethod
    def guess(cls, context: Context, images: ImageSpec) -> list[Guess]:
        keys = [key for key in context.index.keys if not is_idx_row(key)]
        if len(keys) < 8:
            return []
        for pattern in _PATTERNS:
            some = keys[:: max(1, len(keys) // 300)]
            if sum(bool(class_in(pattern, _file_of(key))) for key in some) < 0.9 * len(some):
                continue
            found = {key: name for key in keys if (name := class_in(pattern, _file_of(key)))}
            counts = Counter(found.values())
            if len(found) < 0.9 * len(keys) or not 2 <= len(counts) <= len(found) / 3 or any(name.lower() in _PLAIN for name in counts):
                continue
            if not all(any(c.isalpha() for c in name) for name in counts) or sum(count > 1 for count in counts.values()) < 0.8 * len(counts):
                continue
            if len({key.rpartition("/")[0] for key in keys}) >= len(counts) > 1 and len({key.rpartition("/")[0] for key in keys}) > 1:
                continue  # the folders give the classes already, or the names repeat the folders
            return [_guess(pattern, found, counts)]
        return []

    def read(self, context: Context) -> list[Targets]:
        if not self.options.task:
            return []
        prefix = f"{self.options.folder.strip('/')}/" if self.options.folder.strip("/") else ""
        found = {}
        for key in context.index.keys:
            name = class_in(self.options.pattern, _file_of(key)) if not is_idx_row(key) and key.startswith(prefix) else ""
            if name:
                found[key] = name
            elif key.startswith(prefix):
                context.findings.add("skipped", "no_class_in_name", key, f"its name does not fit '{self.options.pattern}'", self.options.task)
        classes = tuple(dict.fromkeys(self.options.classes)) or in_order(set(found.values()))
        place = {name: index for index, name in enumerate(classes)}
        targets = Targets(self.options.task, "classification", classes)
        for key, name in found.items():
            if name in place:
                targets.values[key] = place[name]
            else:
                context.findings.add("skipped", "unknown_class", key, f"'{name}' is not among the classes listed", self.options.task)
        return [targets]


@lru_cache(maxsize=100)
def _written(pattern: str) -> re.Pattern[str]:
    pieces = re.split(r"(\{class\}|\{number\}|\*)", pattern)
    text = "".join(_PIECES.get(piece, re.escape(piece)) for piece in pieces)
    return re.compile(text.replace(r"(?P<name>.+)\d+", r"(?P<name>.+)(?<!\d)\d+"))


def class_in(pattern: str, key: str) -> str:
    """The class in a file's name; '' if the name does not fit the pattern."""
    match = _written(pattern).fullmatch(stem_of(key)[:120])
    return match["name"].strip(" _-.") if match else ""


def _guess(pattern: str, found: dict[str, str], counts: Counter[str]) -> Guess:
    first = dict.fromkeys(found.values())
    examples = tuple(next(key for key, name in found.items() if name == wanted) for wanted in list(first)[:6])
    readings = (
        Reading("classes", f"{len(counts)} classes: {', '.join(in_order(set(counts))[:6])}", {"task": "class"}),
        Reading("left_out", "names only", {"task": ""}),
    )
    text = f"Do the files' names hold their class, as '{pattern}' says ('{stem_of(examples[0])}' is '{found[examples[0]]}')?"
    evidence = f"{len(found):,} names fit; the smallest class has {min(counts.values())}, the largest {max(counts.values())} images"
    question = Question("file_names", text, readings, "classes", evidence, examples)
    return Guess({"pattern": pattern, "task": "class"}, labelled={"class": len(found)}, questions=[question])
