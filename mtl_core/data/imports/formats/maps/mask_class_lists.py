"""Lists of classes beside masks: names by number or by colour, as CVAT, CamVid, ADE20K, Mapillary, Supervisely and others write them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from mtl_core.data.imports.tree import Tree, UnreadableError
from mtl_core.errors import ConfigError
from mtl_core.plain_yaml import read_yaml

Colour = tuple[int, int, int]
UNLABELLED = ("unlabeled", "unlabelled", "ignore", "ignored", "void", "not classified", "unclassified", "ignore_label", "no label", "don't care")
_ENDINGS = (".txt", ".csv", ".tsv", ".json", ".yaml", ".yml", ".names")
_NAMED = re.compile(r"class|label|colou?r|palette|legend|meta|dict|object|info|names|categor|code|config|mapping|^data(set)?\.", re.IGNORECASE)
_MOST_BYTES = 1 << 18
_MOST_LISTS = 60
_NUMBER = ("idx", "id", "index", "class_id", "classid", "class id", "value", "label_id", "labelid", "pixel", "pixel_value", "number", "code", "class")
_NAME = ("name", "label", "class", "class_name", "classname", "class name", "category", "label_name", "title", "description")
CITYSCAPES = {
    7: "road",
    8: "sidewalk",
    11: "building",
    12: "wall",
    13: "fence",
    17: "pole",
    19: "traffic light",
    20: "traffic sign",
    21: "vegetation",
    22: "terrain",
    23: "sky",
    24: "person",
    25: "rider",
    26: "car",
    27: "truck",
    28: "bus",
    31: "train",
    32: "motorcycle",
    33: "bicycle",
}  # cityscapesScripts, helpers/labels.py: ids of the evaluated classes
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


@dataclass(frozen=True)
class ClassList:
    """Class names from one file. ``counted``: the numbers are counted from the lines, not written in the file."""

    file: str
    names: dict[int, str] = field(default_factory=dict)
    colours: dict[Colour, str] = field(default_factory=dict)
    counted: bool = False


def voc_colour(number: int) -> Colour:
    """Pascal VOC's colour of a class number (VOC2012 development kit, VOClabelcolormap)."""
    colour = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            colour[channel] |= (number >> 3 * bit + channel & 1) << 7 - bit
    return tuple(colour)  # type: ignore[return-value]


def class_lists(tree: Tree) -> list[ClassList]:
    """The lists of classes in small files with a fitting name and content; those nearest to the top first."""
    names = [
        name for name in tree.files if name.lower().endswith(_ENDINGS) and _NAMED.search(name.rpartition("/")[2]) and tree.files[name] <= _MOST_BYTES
    ]
    found = []
    for name in sorted(names, key=lambda name: (name.count("/"), name))[:_MOST_LISTS]:
        try:
            text = tree.read(name, _MOST_BYTES).decode("utf-8-sig")
        except (UnreadableError, UnicodeDecodeError):
            continue
        made = _from_json(name, text) if name.lower().endswith((".json", ".yaml", ".yml")) else _from_text(name, text)
        if made is not None:
            found.append(made)
    return found


def is_unlabelled(name: str) -> bool:
    """Whether a class of this name marks ignored pixels."""
    return name.strip().lower() in UNLABELLED


def hex_of(colour: Iterable[int]) -> str:
    """'#rrggbb'."""
    return "#" + "".join(f"{part:02x}" for part in colour)


def _from_json(file: str, text: str) -> ClassList | None:
    try:
        data = json.loads(text) if file.lower().endswith(".json") else read_yaml(text, aliases=False)
    except (ValueError, RecursionError, ConfigError):
        return None
    names: dict[int, str] = {}
    colours: dict[Colour, str] = {}
    counted = _walk(data, names, colours, 0)
    return ClassList(file, names, colours, counted) if names or colours else None


def _walk(data: Any, names: dict[int, str], colours: dict[Colour, str], depth: int) -> bool:
    """Collect names from the first list or mapping that looks like one of classes. Returns whether the numbers are only counted."""
    if depth > 4:
        return False
    if isinstance(data, list):
        return _take_list(data, names, colours)
    if not isinstance(data, dict):
        return False
    for key in ("classes", "names", "labels", "categories"):
        if isinstance(data.get(key), list | dict):
            return _walk(data[key], names, colours, depth + 1)
    for key, value in data.items():
        _take_pair(key, value, names, colours)
    return False


def _take_list(data: list, names: dict[int, str], colours: dict[Colour, str]) -> bool:
    """Names in a list of texts or of mappings, until one of these has no name."""
    if data and len(data) <= 1000 and all(isinstance(entry, str) for entry in data):
        names.update(enumerate(data))
        return True
    counted = True
    for place, entry in enumerate(data if len(data) <= 1000 else []):
        if not isinstance(entry, dict):
            return False
        name = next((str(entry[key]) for key in ("readable", "title", "name", "label", "class") if isinstance(entry.get(key), str)), "")
        number = next((entry[key] for key in ("id", "value", "index", "classId", "class_id") if type(entry.get(key)) is int), None)
        colour = next((_colour(entry[key]) for key in ("color", "colour", "rgb", "hex", "color_hex_code") if key in entry), None)
        if not name:
            return False
        names[place if number is None else number] = name
        counted = counted and number is None
        if colour:
            colours[colour] = name
    return counted and bool(names)


def _take_pair(key: Any, value: Any, names: dict[int, str], colours: dict[Colour, str]) -> None:
    """A number with its name, a name with its number or colour, or a number with a mapping that has the name."""
    if isinstance(key, bool):
        return
    number = int(key) if isinstance(key, int) or (isinstance(key, str) and key.isdecimal() and len(key) < 6) else None
    if number is not None and isinstance(value, str):
        names[number] = value
    elif isinstance(key, str) and number is None and type(value) is int:
        names[value] = key
    elif isinstance(key, str) and (colour := _colour(value)):
        colours[colour] = key
    elif isinstance(value, dict) and isinstance(value.get("name"), str) and number is not None:
        names[number] = value["name"]


def _colour(value: Any) -> Colour | None:
    if isinstance(value, str) and re.fullmatch(r"#?[0-9a-fA-F]{6}", value.strip()):
        digits = value.strip().lstrip("#")
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if isinstance(value, list | tuple) and len(value) in (3, 4) and all(type(part) is int and 0 <= part <= 255 for part in value):
        return tuple(value[:3])  # type: ignore[return-value]
    return None


def _from_text(file: str, text: str) -> ClassList | None:
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith(("#", "//"))]
    if not lines or len(lines) > 2000:
        return None
    names = _table(lines)
    if names and not re.search(r"\b(r|red|rgb|colou?r|hex)\b", lines[0].lower()):
        return ClassList(file, names)
    colours, numbers = {}, {}
    for line in lines:
        read = _colour_line(line)
        if read:
            colours[read[0]] = read[1]
            if read[2] is not None:
                numbers[read[2]] = read[1]
    if len(colours) >= max(1, 0.6 * (len(lines) - 1)):
        return ClassList(file, numbers, colours)
    names = names or _numbered(lines)
    if names:
        return ClassList(file, names)
    base = file.rpartition("/")[2].lower()
    plain = all(len(line) <= 60 and re.search("[^\\W\\d]", line) and "/" not in line and not re.search(r"[,;\t]", line) for line in lines)
    if plain and re.match(r"(class|label|categor|obj|name)", base) and len(lines) <= 255:
        return ClassList(file, dict(enumerate(lines)), counted=True)
    return None


def _colour_line(line: str) -> tuple[Colour, str, int | None] | None:
    """(colour, name, number) of a line such as 'Cat:48,112,32::', '128 128 128 Sky' or 'Sky,128,128,128'."""
    written = re.search(r"#([0-9a-fA-F]{6})\b", line)
    words = [word for word in re.split(r"[\s,;:|=()\[\]\"']+", line if not written else line.replace(written[0], " ")) if word]
    name = " ".join(word for word in words if not word.isdecimal())
    numbers = [int(word) for word in words if word.isdecimal() and len(word) < 6]
    if not re.search(r"[^\W\d]", name):
        return None
    if written:
        return _colour(written[1]), name, numbers[0] if numbers else None  # type: ignore[return-value]
    if len(numbers) < 3:
        return None
    first = not words[0].isdecimal()
    place = 0 if first or len(numbers) == 3 else 1
    colour = tuple(numbers[place : place + 3])
    return (colour, name, numbers[0] if place else None) if len(colour) == 3 and max(colour) <= 255 else None  # type: ignore[return-value]


def _table(lines: list[str]) -> dict[int, str]:
    """Number -> name of a table whose header names a column of numbers and one of names."""
    delimiter = next((mark for mark in "\t;," if mark in lines[0]), None)
    if delimiter is None:
        return {}
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True))
    except csv.Error:  # such as a cell that is longer than Python reads
        return {}
    head = [cell.strip().lower() for cell in rows[0]]
    at = next((head.index(word) for word in _NUMBER if word in head), None)
    of = next((head.index(word) for word in _NAME if word in head and head.index(word) != at), None)
    if at is None or of is None:
        return {}
    found = {}
    for row in rows[1:]:
        if len(row) > max(at, of) and row[at].strip().isdecimal() and len(row[at].strip()) < 6 and row[of].strip():
            found[int(row[at])] = row[of].strip()
    return found if len(found) >= 0.6 * (len(rows) - 1) else {}


def _numbered(lines: list[str]) -> dict[int, str]:
    """Number -> name of lines such as '7: road', '7 road' or 'road 7'."""
    found = {}
    for line in lines:
        match = re.fullmatch(r"(\d{1,5})\s*[:=,;.\t ]\s*([^\d\W].{0,79})", line) or re.fullmatch(
            r"([^\d\W][^:=,;\t]{0,79}?)\s*[:=,;\t ]\s*(\d{1,5})", line
        )
        if match:
            number, name = match.groups() if match[1].isdecimal() else match.groups()[::-1]
            found[int(number)] = name.strip()
    return found if len(found) >= 0.8 * len(lines) else {}
