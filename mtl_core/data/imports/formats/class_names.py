"""Files with class names for numbered objects: a YAML with 'names', classes.txt, obj.names, notes.json and the like."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from mtl_core.data.imports.formats import Context
from mtl_core.data.imports.formats.annotations.point_sets import MOST_POINTS
from mtl_core.data.imports.looking.json_files import load
from mtl_core.data.imports.picture_reading import is_picture
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import ConfigError, DataError
from mtl_core.plain_yaml import read_yaml

_MOST_BYTES = 4 << 20
_LISTS = ("classes.txt", "labels.txt", "predefined_classes.txt", "class_names.txt", "names.txt", "_darknet.labels", "labels.names")


def name_files(context: Context, folder: str) -> list[str]:
    """Files that may name classes, the nearest to ``folder`` first; within one folder YAMLs first."""
    kept = context.tree.looked_at.get("class names")
    if kept is None:
        kept = context.tree.looked_at["class names"] = [name for name in context.tree.files if _may_name(name)]
    words = folder.split("/") if folder else []
    named: list[tuple[tuple[int, int, int, str], str]] = []
    for name in kept:  # type: ignore[attr-defined]
        have = name.split("/")[:-1]
        common = 0
        while common < min(len(have), len(words)) and have[common] == words[common]:
            common += 1
        aside = len(have) - common  # levels of folders away from the text files
        named.append(((aside, -common, _order(name), name), name))
    return [name for _, name in sorted(named)]


def names_in(context: Context, file: str) -> list[str]:
    """Class names in order; empty if the file has none."""
    low = file.lower()
    if low.endswith(".json"):
        return _of_notes(context, file)
    try:
        text = context.tree.read(file, _MOST_BYTES).decode("utf-8-sig")
    except (UnreadableError, UnicodeDecodeError):
        return []
    if low.endswith((".yaml", ".yml")):
        return _of_yaml(text)
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if any(is_picture(re.split(r"[\s,;]", line)[0]) for line in lines[:100]):
        return []  # a list or table of pictures
    return lines if lines and len(set(lines)) == len(lines) and all(0 < len(line) <= 200 for line in lines) else []


@dataclass(frozen=True)
class PoseFile:
    """What a YAML says of keypoints: ``shape`` (number, numbers for each), ``mirror`` (``flip_idx``), ``names`` (``kpt_names``); empty for none."""

    shape: list[int] = field(default_factory=list)
    mirror: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


def pose_file(context: Context, names: str, folder: str) -> PoseFile:
    """The YAML that names the classes and says ``kpt_shape``, or the nearest one that does."""
    files = [names, *name_files(context, folder)] if names else name_files(context, folder)
    for file in files:
        if not file.lower().endswith((".yaml", ".yml")):
            continue
        try:
            data = read_yaml(context.tree.read(file, _MOST_BYTES).decode("utf-8-sig"), aliases=False)
        except (UnreadableError, UnicodeDecodeError, ConfigError):
            continue
        shape = data.get("kpt_shape") if isinstance(data, dict) else None
        if isinstance(shape, list) and len(shape) == 2 and all(isinstance(n, int) and 0 < n <= MOST_POINTS for n in shape) and shape[1] in (2, 3):
            mirror = data.get("flip_idx")
            return PoseFile(shape, mirror if isinstance(mirror, list) else [], _point_names(data.get("kpt_names")))
    return PoseFile()


def _point_names(given: Any) -> list[str]:
    """Names of the points: a list, or one for each class where all are the same."""
    lists = list(given.values()) if isinstance(given, dict) else [given]
    same = bool(lists) and isinstance(lists[0], list) and all(names == lists[0] for names in lists)
    return [str(name) for name in lists[0]] if same else []


def _may_name(name: str) -> bool:
    base = name.lower().rpartition("/")[2]
    return base.endswith((".yaml", ".yml", ".names")) or base in _LISTS or base == "notes.json"


def _order(name: str) -> int:
    base = name.lower().rpartition("/")[2]
    return 0 if base in ("data.yaml", "data.yml") else 1 if base.endswith((".yaml", ".yml")) else 2


def _of_yaml(text: str) -> list[str]:
    try:
        data = read_yaml(text, aliases=False)
    except ConfigError:
        return []
    names = data.get("names") if isinstance(data, dict) else None
    if isinstance(names, dict) and all(isinstance(n, int) for n in names) and sorted(names) == list(range(len(names))):
        names = [names[n] for n in range(len(names))]
    return [str(name) for name in names] if isinstance(names, list) else []


def _of_notes(context: Context, file: str) -> list[str]:
    """Label Studio's notes.json beside its YOLO export."""
    try:
        data = load(context.tree, file)
    except DataError:
        return []
    entries = data.get("categories") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not all(_is_category(entry) for entry in entries):
        return []
    named = {entry["id"]: entry["name"] for entry in entries}
    return [named[n] for n in range(len(named))] if sorted(named) == list(range(len(named))) else []


def _is_category(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("id"), int) and isinstance(entry.get("name"), str)
