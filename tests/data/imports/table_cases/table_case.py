"""A case: files with labels, and what must be read from them; and the pieces that cases are made of."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 96, 72
BOX = [20.0, 16.0, 60.0, 50.0]


def pictures(root: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number, Image.registered_extensions()[path.suffix.lower()]))


@cache
def picture(number: int, file_format: str) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8).repeat(12, 0).repeat(12, 1)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, file_format)
    return content.getvalue()


@dataclass
class Case:
    """Files as text, bytes or JSON; the pictures there are; each task's kind and labels; the names of the questions; parts of the data by file."""

    pictures: list[str]
    files: dict[str, Any]
    tasks: dict[str, tuple[str, dict[str, Any]]]
    questions: set[str] = field(default_factory=set)
    parts: dict[str, set[str]] | None = None
    answers: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    findings: dict[str, int] | None = None


def made(root: Path, case: Case) -> Path:
    pictures(root, case.pictures)
    for name, content in case.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content if isinstance(content, (str, bytes)) else json.dumps(content)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def labels_of(examined) -> dict[str, tuple[str, dict[str, Any]]]:
    """Task -> (kind, image -> label in words)."""
    found = {}
    for target in examined.targets:
        words: dict[str, Any] = {}
        for key, value in target.values.items():
            if target.kind == "classification":
                words[key] = target.classes[value]
            elif target.kind == "multi_label":
                words[key] = {target.classes[index] for index in value}
            elif target.kind == "detection":
                words[key] = [(*np.round(row[:4].astype(float), 1).tolist(), target.classes[int(row[4])]) for row in value]
            else:
                words[key] = value
        found[target.name] = (target.kind, words)
    return found


def rows(*lines: Any) -> str:
    return "\n".join(",".join(map(str, line)) if isinstance(line, (list, tuple)) else line for line in lines) + "\n"


N = 24
FLAT = [f"{n:03}.jpg" for n in range(N)]
IN = [f"images/{n:03}.jpg" for n in range(N)]


def each(of: Callable[[int], Any], names: list[str] = FLAT, only: Callable[[int], bool] = lambda n: True) -> dict[str, Any]:
    return {name: of(n) for n, name in enumerate(names) if only(n)}


def one_box(names: list[str], of: Callable[[int], str] = lambda n: "object", box: list[float] = BOX) -> dict[str, Any]:
    return {name: [(*box, of(n))] for n, name in enumerate(names)}


def xlsx(lines: list[list[Any]], sheet: str = "Sheet1", before: list[list[Any]] | None = None) -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = sheet
    for line in lines:
        book.active.append(line)
    if before is not None:
        cover = book.create_sheet("cover", 0)
        for line in before:
            cover.append(line)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def parquet(columns: dict[str, list]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


def colour(n: int) -> str:
    return ("red", "green", "blue")[n % 3]


def tags(n: int) -> set[str]:
    return [{"red", "round"}, {"red"}, {"blue", "square", "large"}, {"blue"}][n % 4]


def cow(n: int) -> str:
    return "cow" if n % 2 else "pig"


COLOURS = ("classification", each(colour))
TAGS = ("multi_label", each(tags))
ONE_HOT = [[int(n % 3 == c) for c in range(3)] for n in range(N)]
PART = {0: "train", 1: "train", 2: "val", 3: "test"}


def part(n: int) -> str:
    return PART[n % 4]


PARTS = {p: {name for n, name in enumerate(FLAT) if part(n) == p} for p in ("train", "val", "test")}
IN_PARTS = [f"{p}/{n:03}.jpg" for p, count in (("train", 12), ("valid", 6), ("test", 6)) for n in range(count)]  # the same names in each part
WORDS = ["none", "scratch", "dent"]
CELEBA = ["Bald", "Smiling", "Young"]
CODES = {"DE": "DE", "FR": "FR", "NA": "NA", "None": "None", "-": "-"}


def place(n: int) -> str:
    return ("wood", "road", "field")[n % 3]


def pet(n: int) -> str:
    return ("cat", "dog")[n % 2]


def attributes(n: int) -> set[str]:
    return {name for bit, name in enumerate(CELEBA) if (n + 1) >> bit & 1}
