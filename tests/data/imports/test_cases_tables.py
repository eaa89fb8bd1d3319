"""Tables and folders as other tools and people write them: each ends with its right labels, or says what is not read; what is doubtful is asked.

Every case states all of its labels. A label that is read wrongly, or that is there and not read without a word, fails.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtl_core.data.imports import ImportSpec, answer, check, examine, import_dataset, propose
from mtl_core.errors import DataError

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


CASES: dict[str, Case] = {
    # cases C01 to C09 of the public reports
    "isic_one_hot": Case(
        FLAT,
        {"truth.csv": rows("image,MEL,NV,BCC", *([f"{n:03}", *map(float, ONE_HOT[n])] for n in range(N)))},
        {"class": ("classification", each(lambda n: ("MEL", "NV", "BCC")[n % 3]))},
    ),
    "roboflow_multiclass": Case(
        IN_PARTS,
        {
            f"{p}/_classes.csv": rows(
                "filename, rust, crack, dent", *(f"{n:03}.jpg, {n % 2}, {int(n % 3 == 0)}, {int(n % 5 == 0)}" for n in range(count))
            )
            for p, count in (("train", 12), ("valid", 6), ("test", 6))
        },
        {
            "labels": (
                "multi_label",
                {
                    name: {c for c, yes in (("rust", n % 2), ("crack", n % 3 == 0), ("dent", n % 5 == 0)) if yes}
                    for name in IN_PARTS
                    for n in [int(name[-7:-4])]
                },
            )
        },
        {"indicators"},
        {"train": set(IN_PARTS[:12]), "val": set(IN_PARTS[12:18]), "test": set(IN_PARTS[18:])},
    ),
    "pandas_index_and_lists": Case(
        FLAT, {"labels.csv": rows(",file,tags", *([n, FLAT[n], ";".join(sorted(tags(n)))] for n in range(N)))}, {"tags": TAGS}
    ),
    "python_lists": Case(FLAT, {"labels.csv": rows("file,tags", *(f'{FLAT[n]},"{sorted(tags(n))}"' for n in range(N)))}, {"tags": TAGS}),
    "json_lists": Case(
        FLAT,
        {"labels.csv": rows("file,tags", *('{},"{}"'.format(FLAT[n], json.dumps(sorted(tags(n))).replace('"', '""')) for n in range(N)))},
        {"tags": TAGS},
    ),
    "numpy_lists": Case(
        FLAT, {"labels.csv": rows("file,tags", *(f'{FLAT[n]},"[{" ".join(map(repr, sorted(tags(n))))}]"' for n in range(N)))}, {"tags": TAGS}
    ),
    "booleans": Case(
        FLAT,
        {"l.csv": rows("file,male,smiling", *([FLAT[n], n % 2 == 0, n % 3 == 0] for n in range(N)))},
        {
            "male": ("classification", each(lambda n: str(n % 2 == 0))),
            "smiling": ("classification", each(lambda n: str(n % 3 == 0))),
        },
    ),
    "xlsx": Case(
        FLAT,
        {"labels.xlsx": xlsx([["file", "colour", "size_mm"], *([FLAT[n], colour(n), n + 0.5] for n in range(N))])},
        {"colour": COLOURS, "size_mm": ("regression", each(lambda n: n + 0.5))},
    ),
    "xlsx_numbers_and_title": Case(
        FLAT,
        {"labels.xlsx": xlsx([["Survey of 2024"], ["picture", "colour"], *([n, colour(n)] for n in range(N))])},
        {"colour": COLOURS},
    ),
    "xlsx_second_sheet": Case(
        FLAT,
        {"labels.xlsx": xlsx([["file", "colour"], *([FLAT[n], colour(n)] for n in range(N))], "labels", [["about this file"], ["made by me"]])},
        {"colour": COLOURS},
    ),
    "xlsx_that_is_none": Case(FLAT, {"labels.xlsx": b"PK\x03\x04fake"}, {}, unread={"labels.xlsx": "no readable xlsx"}),
    "open_images": Case(
        IN,
        {
            "a.csv": rows(
                "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded",
                *([f"{n:03}", "xclick", "/m/01", 1, 20 / 96, 60 / 96, 16 / 72, 50 / 72, n % 2] for n in range(N)),
                *([f"{n:03}", "xclick", "/m/02", 1, 0, 0.5, 0, 0.5, 1] for n in range(4)),
            ),
            "class-descriptions.csv": "/m/01,Cat\n/m/02,Dog, big\n".replace("Dog, big", "Dog"),
        },
        {"box": ("detection", {IN[n]: [(*BOX, "Cat"), *([(0.0, 0.0, 48.0, 36.0, "Dog")] if n < 4 else [])] for n in range(N)})},
    ),
    "shares_as_sizes": Case(
        FLAT,
        {"b.csv": rows("image,x,y,width,height", *([FLAT[n], 0.0, 0.0, 0.5, 0.5] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, box=[0.0, 0.0, 48.0, 36.0]))},
    ),
    "shares_from_the_middle_or_the_corner": Case(
        FLAT,
        {"b.csv": rows("image,x,y,w,h", *([FLAT[n], 0.5, 0.5, 0.25, 0.25] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, box=[36.0, 27.0, 60.0, 45.0]))},
        {"box_form"},
        answers={"box_form": "centre"},
    ),
    "retinanet": Case(
        IN,
        {
            "annotations.csv": rows(*(f"{IN[n]},,,,," if n % 3 == 0 else f"{IN[n]},20,16,60,50,{cow(n)}" for n in range(N))),
            "classes.csv": "cow,0\npig,1\n",
        },
        {"box": ("detection", {IN[n]: [] if n % 3 == 0 else [(*BOX, cow(n))] for n in range(N)})},
    ),
    "tensorflow": Case(
        FLAT,
        {"_annotations.csv": rows("filename,width,height,class,xmin,ymin,xmax,ymax", *([FLAT[n], 96, 72, cow(n), 20, 16, 60, 50] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, cow))},
    ),
    # cases D01 to D07
    "class_named_train": Case(
        [f"{c}/{n}.png" for c in ("bus", "car", "train") for n in range(8)],
        {},
        {"class": ("classification", {f"{c}/{n}.png": c for c in ("bus", "car", "train") for n in range(8)})},
    ),
    "class_named_raw": Case(
        [f"{c}/{c}{n}.png" for c in ("raw", "cooked") for n in range(8)],
        {},
        {"class": ("classification", {f"{c}/{c}{n}.png": c for c in ("raw", "cooked") for n in range(8)})},
        {"plain_folder"},
    ),
    "val_lacks_a_class": Case(
        [f"train/{c}/{n}.png" for c in ("0", "90", "180") for n in range(6)] + [f"val/{c}/v{n}.png" for c in ("0", "90") for n in range(3)],
        {},
        {
            "class": (
                "classification",
                {f"train/{c}/{n}.png": c for c in ("0", "90", "180") for n in range(6)}
                | {f"val/{c}/v{n}.png": c for c in ("0", "90") for n in range(3)},
            )
        },
    ),
    "three_levels": Case(
        [f"{s}/{b}/{b}{n}.png" for s, bs in (("cat", ("siam", "maine")), ("dog", ("pug", "husky"))) for b in bs for n in range(6)],
        {},
        {
            "superclass": (
                "classification",
                {f"{s}/{b}/{b}{n}.png": s for s, bs in (("cat", ("siam", "maine")), ("dog", ("pug", "husky"))) for b in bs for n in range(6)},
            ),
            "class": (
                "classification",
                {f"{s}/{b}/{b}{n}.png": b for s, bs in (("cat", ("siam", "maine")), ("dog", ("pug", "husky"))) for b in bs for n in range(6)},
            ),
        },
    ),
    "folds": Case(
        [f"fold{f}/{c}/{f}{c}{n}.png" for f in (1, 2, 3) for c in "ab" for n in range(4)],
        {},
        {"class": ("classification", {f"fold{f}/{c}/{f}{c}{n}.png": c for f in (1, 2, 3) for c in "ab" for n in range(4)})},
        {"folds"},
        {p: {f"fold{f}/{c}/{f}{c}{n}.png" for c in "ab" for n in range(4)} for f, p in ((1, "train"), (2, "val"), (3, "test"))},
    ),
    # further layouts of folders
    "part_below_class": Case(
        [f"bottle/{p}/{c}/{p}{c}{n}.png" for p, cs in (("train", ("good",)), ("test", ("good", "broken"))) for c in cs for n in range(6)],
        {},
        {
            "class": (
                "classification",
                {f"bottle/{p}/{c}/{p}{c}{n}.png": c for p, cs in (("train", ("good",)), ("test", ("good", "broken"))) for c in cs for n in range(6)},
            )
        },
    ),
    "images_below_class": Case(  # Tiny ImageNet
        [f"train/n{c}/images/n{c}_{n}.png" for c in (1, 2) for n in range(6)] + [f"val/images/val_{n}.png" for n in range(6)],
        {
            **{f"train/n{c}/n{c}_boxes.txt": rows(*(f"n{c}_{n}.png\t20\t16\t60\t50" for n in range(6))) for c in (1, 2)},
            "val/val_annotations.txt": rows(*(f"val_{n}.png\tn{1 + n % 2}\t20\t16\t60\t50" for n in range(6))),
        },
        {
            "class": ("classification", {f"train/n{c}/images/n{c}_{n}.png": f"n{c}" for c in (1, 2) for n in range(6)}),
            "box": ("detection", {f"val/images/val_{n}.png": [(*BOX, f"n{1 + n % 2}")] for n in range(6)}),
        },
        {"unlisted"} & set(),
    ),
    "intel_names_of_parts": Case(
        [f"seg_{p}/{c}/{p}{n}.png" for p, k in (("train", 6), ("test", 3)) for c in ("sea", "street") for n in range(k)],
        {},
        {
            "class": (
                "classification",
                {f"seg_{p}/{c}/{p}{n}.png": c for p, k in (("train", 6), ("test", 3)) for c in ("sea", "street") for n in range(k)},
            )
        },
    ),
    "domains": Case(
        [f"{d}/{c}/{n}{d}.png" for d in ("photo", "sketch") for c in ("dog", "horse") for n in range(6)],
        {},
        {
            "class": ("classification", {f"{d}/{c}/{n}{d}.png": c for d in ("photo", "sketch") for c in ("dog", "horse") for n in range(6)}),
            "domain": ("classification", {f"{d}/{c}/{n}{d}.png": d for d in ("photo", "sketch") for c in ("dog", "horse") for n in range(6)}),
        },
    ),
    "patients_as_folders": Case(
        [f"patient_{p}/{c}/{n}.png" for p in range(6) for c in ("benign", "malignant") for n in range(2)],
        {},
        {"class": ("classification", {f"patient_{p}/{c}/{n}.png": c for p in range(6) for c in ("benign", "malignant") for n in range(2)})},
        {"groups"},
    ),
    "class_in_the_name": Case(
        [f"{c}_{n}.png" for c in ("great_pyrenees", "pug") for n in range(8)],
        {},
        {"class": ("classification", {f"{c}_{n}.png": c for c in ("great_pyrenees", "pug") for n in range(8)})},
        {"file_names"},
    ),
    "names_that_only_count": Case([f"IMG_{n:04}.png" for n in range(12)], {}, {}),
    # words for 'missing'
    "none_is_a_class": Case(
        FLAT,
        {"d.csv": rows("image,damage", *([FLAT[n], WORDS[n % 3]] for n in range(N)))},
        {"damage": ("classification", each(lambda n: WORDS[n % 3]))},
        {"missing_words"},
    ),
    "none_means_missing": Case(
        FLAT,
        {"d.csv": rows("image,damage", *([FLAT[n], ["none", "scratch", "dent"][n % 3]] for n in range(N)))},
        {"damage": ("classification", each(lambda n: WORDS[n % 3], only=lambda n: n % 3 != 0))},
        {"missing_words"},
        answers={"missing_words": "missing"},
        findings={"note/missing_word": 1},
    ),
    "countries": Case(
        FLAT,
        {"d.csv": rows("image,land", *([FLAT[n], list(CODES)[n % 5]] for n in range(N)))},
        {"land": ("classification", each(lambda n: list(CODES)[n % 5]))},
        {"missing_words"},
    ),
    "nan_of_pandas": Case(
        FLAT,
        {"d.csv": rows("image,kind_of", *([FLAT[n], ["nan", "a", "b", "c"][n % 4]] for n in range(N)))},
        {"kind_of": ("classification", each(lambda n: ["nan", "a", "b", "c"][n % 4], only=lambda n: n % 4 != 0))},
        {"missing_words"},
        findings={"note/missing_word": 1},
    ),
    "sentinel": Case(
        FLAT,
        {"d.csv": rows("image,weight_g", *([FLAT[n], -999 if n % 4 == 0 else 100 + n] for n in range(N)))},
        {"weight_g": ("regression", each(lambda n: 100.0 + n, only=lambda n: n % 4 != 0))},
        {"sentinel"},
        findings={"note/missing_word": 1},
    ),
    # whole numbers
    "forty_class_numbers": Case(
        [f"{n:03}.jpg" for n in range(80)],
        {"d.csv": rows("image,target", *([f"{n:03}.jpg", n % 40] for n in range(80)))},
        {"target": ("classification", {f"{n:03}.jpg": str(n % 40) for n in range(80)})},
        {"whole_numbers"},
    ),
    "ages_and_years": Case(
        FLAT,
        {"d.csv": rows("image,age,built_year", *([FLAT[n], 20 + n % 7, 1990 + n % 5] for n in range(N)))},
        {"age": ("regression", each(lambda n: 20.0 + n % 7)), "built_year": ("regression", each(lambda n: 1990.0 + n % 5))},
    ),
    "class_id_is_a_class": Case(
        FLAT,
        {"d.csv": rows("image,class_id", *([FLAT[n], 7 * (n % 4)] for n in range(N)))},
        {"class_id": ("classification", each(lambda n: str(7 * (n % 4))))},
    ),
    "numbers_as_floats": Case(
        FLAT,
        {"d.csv": rows("image,label", *([FLAT[n], float(n % 4)] for n in range(N)))},
        {"label": ("classification", each(lambda n: str(n % 4)))},
    ),
    "grades_asked": Case(
        FLAT,
        {"d.csv": rows("image,grade", *([FLAT[n], n % 5] for n in range(N)))},
        {"grade": ("regression", each(lambda n: float(n % 5)))},
        {"whole_numbers"},
        answers={"whole_numbers": "quantity"},
    ),
    # text that is written in many ways
    "german_excel": Case(
        FLAT,
        {
            "d.csv": ("\ufeffBild;Größe;Farbe\r\n" + "".join(f"{FLAT[n]};{n},5;röt{n % 2}\r\n" for n in range(N)))
            .encode("cp1252", "replace")
            .replace(b"?", b"", 1)
        },
        {"Größe": ("regression", each(lambda n: n + 0.5)), "Farbe": ("classification", each(lambda n: f"röt{n % 2}"))},
    ),
    "utf16_tabs": Case(
        FLAT, {"d.tsv": ("image\tcolour\n" + "".join(f"{FLAT[n]}\t{colour(n)}\n" for n in range(N))).encode("utf-16")}, {"colour": COLOURS}
    ),
    "thousands": Case(
        FLAT,
        {"d.csv": rows("image,price", *(f'{FLAT[n]},"{1000 * (n + 1):,}.50"' for n in range(N)))},
        {"price": ("regression", each(lambda n: 1000.0 * (n + 1) + 0.5))},
    ),
    "commas_asked": Case(
        FLAT,
        {"d.csv": rows("image,price", *(f'{FLAT[n]},"{n + 1},{n:03}"' for n in range(N)))},
        {"price": ("regression", each(lambda n: n + 1 + n / 1000))},
        {"commas"},
        answers={"commas": "decimal"},
    ),
    "no_header": Case(FLAT, {"d.csv": rows(*([FLAT[n], colour(n)] for n in range(N)))}, {"class": COLOURS}),
    "unclosed_quote": Case(
        FLAT,
        {"d.csv": rows("image,colour", *(f'{FLAT[n]},"{colour(n)}' if n == 3 else f'{FLAT[n]},"{colour(n)}"' for n in range(N)))},
        {"colour": ("classification", each(colour, only=lambda n: n != 3))},
        findings={"skipped/unclosed_quote": 1},
    ),
    "line_ends_in_cells": Case(
        FLAT,
        {"d.csv": rows("image,remarks,colour", *(f'{FLAT[n]},"first\nsecond, third",{colour(n)}' for n in range(N)))},
        {"colour": COLOURS},
    ),
    "header_again": Case(
        FLAT,
        {"d.csv": rows("image,colour", *([FLAT[n], colour(n)] for n in range(12)), "image,colour", *([FLAT[n], colour(n)] for n in range(12, N)))},
        {"colour": COLOURS},
        findings={"skipped/repeated_header": 1},
    ),
    "name_twice": Case(
        FLAT, {"d.csv": rows("image,colour,size,size", *([FLAT[n], colour(n), n + 0.5, n + 1.5] for n in range(N)))}, {"colour": COLOURS}
    ),
    "trailing_delimiter": Case(FLAT, {"d.csv": rows("image,colour", *(f"{FLAT[n]},{colour(n)}," for n in range(N)))}, {"colour": COLOURS}),
    "names_with_spaces": Case(
        [f"my pic {n}.jpg" for n in range(N)],
        {"d.csv": rows("image,colour", *([f"my pic {n}.jpg", colour(n)] for n in range(N)))},
        {"colour": ("classification", {f"my pic {n}.jpg": colour(n) for n in range(N)})},
    ),
    "dates_and_texts": Case(
        FLAT,
        {"d.csv": rows("image,day,remark_of,colour", *([FLAT[n], f"2024-01-{n + 1:02}", f"text number {n}", colour(n)] for n in range(N)))},
        {"colour": COLOURS},
    ),
    # several labels
    "tags_with_spaces": Case(
        FLAT,
        {"d.csv": rows("image,tags", *([FLAT[n], " ".join(sorted(tags(n)))] for n in range(N)))},
        {"tags": TAGS},
        {"labels_in_cell"},
        answers={"labels_in_cell": "labels"},
    ),
    "no_tags": Case(
        FLAT,
        {"d.csv": rows("image,tags", *([FLAT[n], "none" if n % 6 == 5 else ";".join(sorted(tags(n)))] for n in range(N)))},
        {"tags": ("multi_label", each(lambda n: set() if n % 6 == 5 else tags(n)))},
        {"empty_cells"},
    ),
    "empty_tags": Case(
        FLAT,
        {"d.csv": rows("image,tags", *([FLAT[n], "" if n % 6 == 5 else ";".join(sorted(tags(n)))] for n in range(N)))},
        {"tags": ("multi_label", each(tags, only=lambda n: n % 6 != 5))},
        {"empty_cells"},
    ),
    "decimal_commas_of_shares": Case(
        FLAT,
        {"b.csv": rows("ImageID,LabelName,XMin,XMax,YMin,YMax", *(f'{FLAT[n]},cat,"0,25","0,75","0,5","1,0"' for n in range(N)))},
        {"box": ("detection", one_box(FLAT, lambda n: "cat", [24.0, 36.0, 72.0, 72.0]))},
    ),
    "label_beside_flags": Case(
        FLAT,
        {"d.csv": rows("image,label,blurry,dark", *([FLAT[n], n % 2, n // 2 % 2, n // 4 % 2] for n in range(N)))},
        {
            "label": ("classification", each(lambda n: str(n % 2))),
            "blurry": ("classification", each(lambda n: str(n // 2 % 2))),
            "dark": ("classification", each(lambda n: str(n // 4 % 2))),
        },
    ),
    "separator_line_of_excel": Case(
        FLAT, {"d.csv": "sep=;\n" + "image;colour\n" + "".join(f"{FLAT[n]};{colour(n)}\n" for n in range(N))}, {"colour": COLOURS}
    ),
    "parts_of_fer": Case(
        FLAT,
        {
            "d.csv": rows(
                "image,emotion,Usage",
                *([FLAT[n], colour(n), {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}[part(n)]] for n in range(N)),
            )
        },
        {"emotion": COLOURS},
        parts=PARTS,
    ),
    "names_of_two_words": Case(
        FLAT,
        {"d.csv": rows("image,breed", *([FLAT[n], ["golden retriever", "great dane", "pug"][n % 3]] for n in range(N)))},
        {"breed": ("classification", each(lambda n: ["golden retriever", "great dane", "pug"][n % 3]))},
    ),
    "a_row_a_label": Case(
        FLAT, {"d.csv": rows("image,finding", *([FLAT[n], tag] for n in range(N) for tag in sorted(tags(n))))}, {"finding": TAGS}, {"several_rows"}
    ),
    "get_dummies": Case(
        FLAT,
        {"d.csv": rows("image,colour_red,colour_green,colour_blue", *([FLAT[n], *ONE_HOT[n]] for n in range(N)))},
        {"colour": COLOURS},
    ),
    "own_tasks": Case(
        FLAT,
        {"d.csv": rows("image," + ",".join(CELEBA), *([FLAT[n], *(int(c in attributes(n)) for c in CELEBA)] for n in range(N)))},
        {c: ("classification", each(lambda n, c=c: "yes" if c in attributes(n) else "no")) for c in CELEBA},
        {"indicators"},
        answers={"indicators": "own_tasks"},
    ),
    "chexpert": Case(
        FLAT,
        {"d.csv": rows("Path,Edema,Mass,Nodule", *([FLAT[n], n % 2, int(n % 3 == 0), -1 if n == 5 else int(n % 5 == 0)] for n in range(N)))},
        {
            "labels": (
                "multi_label",
                each(lambda n: {c for c, y in (("Edema", n % 2), ("Mass", n % 3 == 0), ("Nodule", n % 5 == 0)) if y}, only=lambda n: n != 5),
            )
        },
        {"indicators", "unsure"},
        findings={"skipped/not_yes_or_no": 1},
    ),
    # given parts and groups
    "three_tables": Case(
        FLAT,
        {f"{p}.csv": rows("image,colour", *([FLAT[n], colour(n)] for n in range(N) if part(n) == p)) for p in ("train", "val", "test")},
        {"colour": COLOURS},
        parts=PARTS,
    ),
    "split_column": Case(
        FLAT,
        {"d.csv": rows("image,colour,split", *([FLAT[n], colour(n), {"val": "Validation"}.get(part(n), part(n))] for n in range(N)))},
        {"colour": COLOURS},
        parts=PARTS,
    ),
    "partition_of_numbers": Case(
        FLAT,
        {
            "list_eval_partition.csv": rows("image_id,partition", *([FLAT[n], ("train", "val", "test").index(part(n))] for n in range(N))),
            "d.csv": rows("image,colour", *([FLAT[n], colour(n)] for n in range(N))),
        },
        {"colour": COLOURS},
        parts=PARTS,
    ),
    "patients": Case(
        FLAT,
        {"d.csv": rows("image,colour,patient_id", *([FLAT[n], colour(n), f"P{n // 3}"] for n in range(N)))},
        {"colour": COLOURS},
        {"groups"},
    ),
    "fold_column": Case(
        FLAT,
        {"d.csv": rows("image,colour,fold", *([FLAT[n], colour(n), n % 3] for n in range(N)))},
        {"colour": COLOURS},
        {"folds"},
        {p: {FLAT[n] for n in range(N) if n % 3 == f} for f, p in enumerate(("train", "val", "test"))},
    ),
    "kaggle": Case(
        [f"train/{n}.png" for n in range(16)] + [f"test/{n}.png" for n in range(4)],
        {
            "train.csv": rows("id,label", *([n, colour(n)] for n in range(16))),
            "sample_submission.csv": rows("id,label", *([n, "red"] for n in range(4))),
        },
        {"label": ("classification", {f"train/{n}.png": colour(n) for n in range(16)})},
        unread={"sample_submission.csv": "placeholders"},
    ),
    "cub": Case(
        [f"images/{c}.Bird{c}/b{n}_{c}.jpg" for c in (1, 2) for n in range(8)],
        {
            "images.txt": rows(*(f"{8 * (c - 1) + n + 1} {c}.Bird{c}/b{n}_{c}.jpg" for c in (1, 2) for n in range(8))),
            "image_class_labels.txt": rows(*(f"{n + 1} {1 + n // 8}" for n in range(16))),
            "classes.txt": "1 1.Bird1\n2 2.Bird2\n",
            "train_test_split.txt": rows(*(f"{n + 1} {int(n % 4 != 0)}" for n in range(16))),
            "bounding_boxes.txt": rows(*(f"{n + 1} 20.0 16.0 40.0 34.0" for n in range(16))),
        },
        {
            "class": ("classification", {f"images/{c}.Bird{c}/b{n}_{c}.jpg": f"{c}.Bird{c}" for c in (1, 2) for n in range(8)}),
            "box": ("detection", {f"images/{c}.Bird{c}/b{n}_{c}.jpg": [(*BOX, "object")] for c in (1, 2) for n in range(8)}),
        },
    ),
    "celeba": Case(
        [f"img_align_celeba/{n:06}.jpg" for n in range(1, 25)],
        {
            "list_attr_celeba.txt": rows(
                "24", "Bald Smiling Young ", *(f"{n:06}.jpg " + "  ".join("1" if c in attributes(n) else "-1" for c in CELEBA) for n in range(1, 25))
            ),
            "list_eval_partition.txt": rows(*(f"{n:06}.jpg {('train', 'val', 'test').index(part(n))}" for n in range(1, 25))),
            "list_bbox_celeba.txt": rows("24", "image_id x_1 y_1 width height", *(f"{n:06}.jpg    20  16  40  34" for n in range(1, 25))),
            "list_landmarks_align_celeba.txt": rows("24", "lefteye_x lefteye_y nose_x nose_y", *(f"{n:06}.jpg 30 31 40 {n}" for n in range(1, 25))),
        },
        {
            "labels": ("multi_label", {f"img_align_celeba/{n:06}.jpg": attributes(n) for n in range(1, 25)}),
            "box": ("detection", {f"img_align_celeba/{n:06}.jpg": [(*BOX, "object")] for n in range(1, 25)}),
        },
        {"indicators", "landmarks"},
        {p: {f"img_align_celeba/{n:06}.jpg" for n in range(1, 25) if part(n) == p} for p in ("train", "val", "test")},
    ),
    # JSON, parquet, Hugging Face
    "metadata_jsonl": Case(
        IN_PARTS,
        {
            f"{p}/metadata.jsonl": rows(*(json.dumps({"file_name": f"{n:03}.jpg", "label": f"{p}-{n % 2}"}) for n in range(k)))
            for p, k in (("train", 12), ("valid", 6), ("test", 6))
        },
        {"label": ("classification", {name: f"{name.split('/')[0]}-{int(name[-7:-4]) % 2}" for name in IN_PARTS})},
        parts={"train": set(IN_PARTS[:12]), "val": set(IN_PARTS[12:18]), "test": set(IN_PARTS[18:])},
    ),
    "metadata_objects": Case(
        [f"train/{n}.png" for n in range(12)],
        {
            "train/metadata.jsonl": rows(
                *(
                    json.dumps({"file_name": f"{n}.png", "objects": {"bbox": [[50, 16, 40, 34]] * (n % 3), "categories": [n % 2] * (n % 3)}})
                    for n in range(12)
                )
            )
        },
        {"box": ("detection", {f"train/{n}.png": [(50.0, 16.0, 90.0, 50.0, str(n % 2))] * (n % 3) for n in range(12)})},
    ),
    "json_records": Case(
        FLAT,
        {"labels.json": [{"image": FLAT[n], "colour": colour(n), "size": n + 0.5} for n in range(N)]},
        {"colour": COLOURS, "size": ("regression", each(lambda n: n + 0.5))},
    ),
    "json_name_to_label": Case(FLAT, {"labels.json": {FLAT[n]: colour(n) for n in range(N)}}, {"label": COLOURS}),
    "json_of_stylegan": Case(
        FLAT, {"dataset.json": {"labels": [[FLAT[n], n % 3] for n in range(N)]}}, {"label": ("classification", each(lambda n: str(n % 3)))}
    ),
    "parquet": Case(
        FLAT,
        {"labels.parquet": parquet({"image": FLAT, "colour": [colour(n) for n in range(N)], "size_mm": [n + 0.5 for n in range(N)]})},
        {"colour": COLOURS, "size_mm": ("regression", each(lambda n: n + 0.5))},
    ),
    "parquet_with_pictures": Case(
        FLAT,
        {"train.parquet": parquet({"image": [b"\x89PNG"] * 3, "label": [0, 1, 0]})},
        {},
        unread={"train.parquet": "holds the pictures themselves"},
    ),
    "formats_named": Case(
        FLAT,
        {"nyu_depth_v2_labeled.mat": b"\x89HDF\r\n", "labels.pkl": b"\x80\x04.", "old.xls": b"\xd0\xcf", "a.npz": b"PK"},
        {},
        unread={"nyu_depth_v2_labeled.mat": "MATLAB", "labels.pkl": "never opened", "old.xls": "save it as xlsx", "a.npz": "numpy arrays"},
    ),
    # boxes and points
    "wheat": Case(
        FLAT,
        {
            "train.csv": rows(
                "image_id,width,height,bbox,source",
                *(f'{n:03},96,72,"[20.0, 16.0, 40.0, 34.0]",usask_{n % 2}' for n in range(N - 2)),
                *(f'{n:03},96,72,"[70, 40, 20.0, 25.0]",usask_{n % 2}' for n in range(N - 2)),
            )
        },
        {"box": ("detection", {FLAT[n]: [(*BOX, "object"), (70.0, 40.0, 90.0, 65.0, "object")] for n in range(N - 2)})},
        {"unlisted"},
    ),
    "wheat_without_heads": Case(
        FLAT,
        {"train.csv": rows("image_id,bbox", *(f'{n:03},"[20.0, 16.0, 40.0, 34.0]"' for n in range(N - 2)))},
        {"box": ("detection", {FLAT[n]: [(*BOX, "object")] if n < N - 2 else [] for n in range(N)})},
        {"unlisted", "box_form"},
        answers={"unlisted": "no_object"},
    ),
    "via": Case(
        FLAT,
        {
            "via.csv": rows(
                "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes",
                *(
                    '{},9,"{{}}",1,0,"{}","{}"'.format(
                        FLAT[n],
                        json.dumps(
                            {"name": "rect", "x": 20, "y": 16, "width": 40, "height": 34}
                            if n % 2
                            else {"name": "polygon", "all_points_x": [20, 60, 60], "all_points_y": [16, 16, 50]}
                        ).replace('"', '""'),
                        json.dumps({"type": cow(n)}).replace('"', '""'),
                    )
                    for n in range(N)
                ),
            )
        },
        {"box": ("detection", one_box(FLAT, cow))},
    ),
    "gtsrb": Case(
        [f"{n:05}.png" for n in range(N)],
        {
            "GT.csv": "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"
            + "".join(f"{n:05}.png;96;72;20;16;60;50;{n % 4}\n" for n in range(N))
        },
        {"box": ("detection", {f"{n:05}.png": [(*BOX, str(n % 4))] for n in range(N)})},
    ),
    "landmarks": Case(
        FLAT,
        {"p.csv": rows("image,x1,y1,x2,y2,x3,y3", *([FLAT[n], 30, 31, 50, 20 + n % 4, 40, 60] for n in range(N)))},
        {},
        {"landmarks"},
    ),
    "two_points": Case(
        FLAT,
        {"p.csv": rows("image,x1,y1,x2,y2,colour", *([FLAT[n], 50, 40 + n, 30, 10, colour(n)] for n in range(N)))},
        {"colour": COLOURS},
        {"landmarks"},
    ),
    "corners_written_as_sizes": Case(
        FLAT,
        {"p.csv": rows("image,x,y,w,h", *([FLAT[n], 50, 40, 94, 70] for n in range(N)))},
        {"box": ("detection", one_box(FLAT, box=[50.0, 40.0, 94.0, 70.0]))},
        {"box_form"},
        answers={"box_form": "corners"},
    ),
    "colours_of_masks": Case([f"pic{n:03}.png" for n in range(N)], {"class_dict.csv": "name,r,g,b\nSky,0,1,2\nRoad,3,4,5\nVoid,0,0,0\n"}, {}),
    "lists_with_numbers": Case(
        [f"{p}/{c}{n}.jpg" for p in ("train", "test") for c in "ab" for n in range(6)],
        {f"{p}.txt": rows(*(f"{p}/{c}{n}.jpg class_{c}" for c in "ab" for n in range(6))) for p in ("train", "test")},
        {"class": ("classification", {f"{p}/{c}{n}.jpg": f"class_{c}" for p in ("train", "test") for c in "ab" for n in range(6)})},
    ),
    "class_numbers_without_header": Case(
        FLAT, {"val.txt": rows(*(f"{FLAT[n]} {n % 7}" for n in range(N)))}, {"class": ("classification", each(lambda n: str(n % 7)))}
    ),
    "mxnet_list": Case(
        FLAT,
        {"all.lst": rows(*(f"{n}\t{float(n % 3):.6f}\t{FLAT[n]}" for n in range(N)))},
        {"class": ("classification", each(lambda n: str(n % 3)))},
    ),
    "a_name_that_only_another_folder_has": Case(
        [f"train/{n}.jpg" for n in range(20) if n != 3] + [f"test/{n}.jpg" for n in range(20)],
        {"train/labels.csv": rows("file,label", *([f"{n}.jpg", colour(n)] for n in range(20)))},
        {"label": ("classification", {f"train/{n}.jpg": colour(n) for n in range(20) if n != 3})},
        findings={"skipped/missing_image": 1},
    ),
    "which_folder": Case(
        [f"{p}/{n}.jpg" for p in ("left", "right") for n in range(20)],
        {"labels.csv": rows("file,label", *([f"{n}.jpg", colour(n)] for n in range(20)))},
        {
            "label": ("classification", {f"right/{n}.jpg": colour(n) for n in range(20)}),
            "class": ("classification", {f"{p}/{n}.jpg": p for p in ("left", "right") for n in range(20)}),
        },
        {"which_folder", "views"},
        answers={"which_folder": "in-right", "views": "classes"},
    ),
    "archives_are_no_classes": Case(
        [f"part_{1 + n // 12}/{FLAT[n]}" for n in range(N)],
        {"meta.csv": rows("lesion_id,image_id,dx,age", *([f"L{n // 2}", f"{n:03}", ("nv", "mel")[n % 2], 20.0 + n % 6] for n in range(N)))},
        {
            "dx": ("classification", {f"part_{1 + n // 12}/{FLAT[n]}": ("nv", "mel")[n % 2] for n in range(N)}),
            "age": ("regression", {f"part_{1 + n // 12}/{FLAT[n]}": 20.0 + n % 6 for n in range(N)}),
        },
        {"groups"},
    ),
    "frames_that_repeat": Case(
        [f"img1/{n:06}.jpg" for n in range(1, 21)],
        {"gt/gt.txt": rows(*(f"{n},{i},20,16,40,34,1,1,0.9" for n in range(1, 21) for i in (1, 2)))},
        {},
        unread={"gt/gt.txt": "repeat, or are few"},
    ),
    "people_who_disagree": Case(
        FLAT,
        {"d.csv": rows("image,rater,label", *([FLAT[n], r, "ab"[(n + r * (n % 5 == 0)) % 2]] for n in range(N) for r in (1, 2)))},
        {"label": ("classification", each(lambda n: "ab"[(n + (n % 5 == 0)) % 2]))},
        {"several_rows"},
        answers={"several_rows": "first"},
        findings={"skipped/duplicate": 5},
    ),
    "an_animal_is_a_class": Case(
        FLAT,
        {"d.csv": rows("image,animal,scene,patient", *([FLAT[n], pet(n), place(n), f"P{n // 4}"] for n in range(N)))},
        {
            "animal": ("classification", each(lambda n: pet(n))),
            "scene": ("classification", each(lambda n: place(n))),
        },
        {"groups"},
    ),
    "spellings": Case(
        FLAT,
        {"d.csv": rows("image,look", *([FLAT[n], ["Cat", "cat", "dog"][n % 3]] for n in range(N)))},
        {"look": ("classification", each(lambda n: ["Cat", "Cat", "dog"][n % 3]))},
        {"spelling"},
        answers={"spelling": "together"},
    ),
    "voc_lists_of_a_class": Case(
        [f"JPEGImages/{n:06}.jpg" for n in range(20)],
        {"ImageSets/Main/cat_train.txt": rows(*(f"{n:06} {[1, -1][n % 2]}" for n in range(20)))},
        {},
        unread={"ImageSets/Main/cat_train.txt": "lists of the images that have one class"},
    ),
    "names_that_no_image_has": Case(
        FLAT, {"d.csv": rows("image,colour", *([f"x{n}.jpg", colour(n)] for n in range(N)))}, {}, unread={"d.csv": "no column names images"}
    ),
    "one_class_only": Case(FLAT, {"d.csv": rows("image,colour", *([name, "red"] for name in FLAT))}, {}, unread={"d.csv": "every cell is 'red'"}),
}


@pytest.mark.parametrize("name", CASES)
def test_every_label_is_right_or_said(tmp_path, name):
    case = CASES[name]
    root = made(tmp_path / "in", case)
    proposal = propose(root)
    assert {question.name for question in proposal.questions} == case.questions
    for question in proposal.questions:
        assert question.taken in [reading.name for reading in question.readings]
        assert len(question.readings) > 1
        assert question.evidence
        assert set(question.examples) <= set(case.pictures)
        assert answer(proposal.spec, question, question.taken).to_dict() == proposal.spec.to_dict(), "the description holds what is taken"
        for reading in question.readings:  # each answer is a description that can be read
            check(root, answer(proposal.spec, question, reading.name))
    spec = proposal.spec
    for question in proposal.questions:
        spec = answer(spec, question, case.answers.get(question.name, question.taken))
    assert ImportSpec.from_yaml(spec.to_yaml()).to_dict() == spec.to_dict()
    examined = examine(root, spec)
    assert labels_of(examined) == {task: (kind, values) for task, (kind, values) in case.tasks.items()}
    if case.parts is not None:
        assert {p: {key for key, of in examined.split.items() if of == p} for p in ("train", "val", "test")} == case.parts
    if case.findings is not None:
        assert examined.report.counts == case.findings
    unread = {note.files: note.reason for note in proposal.files if not note.read}
    for file, words in case.unread.items():
        assert any(words in reason for files, reason in unread.items() if files in (file, f"*{Path(file).suffix}")), unread
    for task in proposal.tasks:
        if not case.answers:  # the counts of the first look are true
            assert task.labelled == len(case.tasks[task.name][1])


def test_a_folder_without_pictures_says_what_it_holds(tmp_path):
    (tmp_path / "train.parquet").write_bytes(parquet({"image": [b"\x89PNG"] * 3, "label": [0, 1, 0]}))
    with pytest.raises(DataError, match=r"no pictures in .*'train.parquet' holds the pictures themselves"):
        propose(tmp_path)


def test_images_alone_are_a_valid_import(tmp_path, home):
    root = made(tmp_path / "in", Case(FLAT, {}, {}))
    assert check(root, propose(root).spec).problems == ()
    assert import_dataset(root, propose(root).spec, "alone").tasks == ()
    (root / "t.csv").write_text(rows("image,colour", *([FLAT[n], colour(n)] for n in range(N))))
    every = propose(root).spec
    assert check(root, every.model_copy(update={"tasks": []})).problems == ()
    empty = every.sources[0].model_copy(update={"columns": []})
    [problem] = check(root, every.model_copy(update={"sources": [empty]})).problems
    assert problem.startswith("No task: the sources give no targets")


def test_classes_of_one_name_are_one_class(tmp_path):
    """Also where a second source joins them: its numbers must go to the classes of the same names."""
    root = made(tmp_path / "in", Case(FLAT, {}, {}))
    for name, lines in (("a.csv", range(12)), ("b.csv", range(12, N))):
        (root / name).write_text(rows("image,colour", *([FLAT[n], colour(n)] for n in lines)))
    source = {"format": "csv", "image_column": "image"}
    column = {"column": "colour", "task": "colour", "kind": "classification"}
    first = {"names": {"red": "warm", "green": "cold", "blue": "cold"}, "classes": ["warm", "cold", "cold"]}
    spec = ImportSpec.from_dict(
        {"sources": [source | {"file": "a.csv", "columns": [column | first]}, source | {"file": "b.csv", "columns": [column]}]}
    )
    examined = examine(root, spec)
    expected = {FLAT[n]: ("warm" if n % 3 == 0 else "cold") if n < 12 else colour(n) for n in range(N)}
    assert labels_of(examined)["colour"] == ("classification", expected)
    coco = {
        "images": [{"id": n, "file_name": FLAT[n], "width": WIDTH, "height": HEIGHT} for n in range(4)],
        "categories": [{"id": 1, "name": "shirt"}, {"id": 2, "name": "shoe"}, {"id": 3, "name": "shirt"}],
        "annotations": [{"id": n, "image_id": n, "category_id": 1 + n % 3, "bbox": [20, 16, 40, 34], "iscrowd": 0, "area": 9} for n in range(4)],
    }
    (root / "c.json").write_text(json.dumps(coco))
    report = check(root, ImportSpec.from_dict({"sources": [{"format": "coco", "file": "c.json", "present": "", "segments": ""}]}))
    [boxes] = [task for task in report.tasks if task.task.kind == "detection"]
    assert (boxes.task.classes, boxes.class_counts) == (("shirt", "shoe"), {"shirt": 3, "shoe": 1})
    assert report.counts["repaired/same_name"] == 1


@pytest.mark.parametrize("classes", [1, 2, 7, 60])
def test_stratifying_by_rare_classes_leaves_no_part_empty(tmp_path, classes):
    """60 images: one class, two, seven, or each image a class of its own. Equal shares where a class is large enough, and always about 15 percent."""
    names = [f"{n:02}.jpg" for n in range(60)]
    root = made(tmp_path / "in", Case(names, {"d.csv": rows("image,kind", *([names[n], f"c{n % classes}"] for n in range(60)))}, {}))
    column = {"column": "kind", "task": "kind", "kind": "classification"}
    source = {"format": "csv", "file": "d.csv", "image_column": "image", "columns": [column]}
    report = check(root, ImportSpec.from_dict({"sources": [source], "splits": {"stratify": "kind"}}))
    assert report.problems == ()
    assert all(7 <= report.split_sizes[part] <= 14 for part in ("val", "test"))


def test_groups_of_a_column_stay_together_over_several_tables(tmp_path):
    case = CASES["three_tables"]
    files = {
        name: rows("image,colour,patient", *([FLAT[n], colour(n), f"P{n % 5}"] for n in range(N) if (n < 12) == (name == "a.csv")))
        for name in ("a.csv", "b.csv")
    }
    root = made(tmp_path / "in", Case(case.pictures, files, {}))
    proposal = propose(root)
    assert (proposal.spec.splits.groups, proposal.spec.splits.group_column, proposal.spec.splits.group_file) == ("column", "patient", "")
    split = examine(root, proposal.spec).split
    for number in range(5):
        assert len({part for key, part in split.items() if int(key[:3]) % 5 == number}) == 1
    assert set(split.values()) == {"train", "val", "test"}


def test_an_answer_changes_every_part_of_a_table(tmp_path):
    """train.csv and val.csv hold one column: it never is classes in one and a number in the other."""
    files = {f"{p}.csv": rows("image,rank", *([FLAT[n], n % 4] for n in lines)) for p, lines in (("train", range(18)), ("val", range(18, N)))}
    root = made(tmp_path / "in", Case(FLAT, files, {}))
    proposal = propose(root)
    [question] = proposal.questions
    kinds = []
    for reading in question.readings:
        [task] = check(root, answer(proposal.spec, question, reading.name)).tasks
        kinds.append((reading.name, task.task.kind, sum(task.labelled.values())))
    assert kinds == [("classes", "classification", N), ("quantity", "regression", N)]


def test_ways_to_say_the_parts_that_differ_are_asked(tmp_path):
    names = [f"{p}/{n:02}.jpg" for p in ("train", "test") for n in range(8)]
    of = {name: "train" if n % 4 else "val" for n, name in enumerate(names)}
    root = made(
        tmp_path / "in", Case(names, {"d.csv": rows("image,colour,split", *([name, colour(n), of[name]] for n, name in enumerate(names)))}, {})
    )
    proposal = propose(root)
    [question] = proposal.questions
    assert question.name == "parts"
    assert {reading.name for reading in question.readings} == {"folders", "column"}
    by_column = examine(root, answer(proposal.spec, question, "column")).split
    assert {key: part for key, part in by_column.items() if part == "val"} == {key: part for key, part in of.items() if part == "val"}
    by_folder = examine(root, answer(proposal.spec, question, "folders")).split
    assert {key for key, part in by_folder.items() if part == "test"} == set(names[8:])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("form", ["csv", "tsv", "semicolons", "utf-16", "cp1252", "xlsx", "parquet", "jsonl", "json"])
def test_random_tables_are_read_as_pandas_reads_them(tmp_path, form, seed):
    """Classes, numbers and empty cells of random tables with names that need quotes, against pandas as an independent reader and writer."""
    import pandas as pd

    random = np.random.default_rng([seed, 3])
    names = [f"dir {n % 3}/pic, no {n}.png" for n in range(20)]
    pictures(tmp_path / "in", names)
    classes = ["übergroß", 'with "quotes"', "semi;colon", "two words", "line, comma"]
    frame = pd.DataFrame(
        {
            "file": random.permutation(names),
            "label": [classes[n] if n < 5 else None for n in random.integers(0, 6, 20)],
            "size_mm": np.where(random.random(20) < 0.2, np.nan, random.normal(0, 100, 20).round(3)),
        }
    )
    path = tmp_path / "in" / f"table.{form if form in ('tsv', 'xlsx', 'parquet', 'jsonl', 'json') else 'csv'}"
    writers = {
        "csv": lambda: frame.to_csv(path, index=False),
        "tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        "semicolons": lambda: frame.to_csv(path, index=False, sep=";", decimal=","),
        "utf-16": lambda: frame.to_csv(path, index=False, encoding="utf-16"),
        "cp1252": lambda: frame.to_csv(path, index=False, encoding="cp1252"),
        "xlsx": lambda: frame.to_excel(path, index=False),
        "parquet": lambda: frame.to_parquet(path, index=False),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        "json": lambda: frame.to_json(path, orient="records"),
    }
    writers[form]()
    got = labels_of(examine(tmp_path / "in", propose(tmp_path / "in").spec))
    labelled = frame.dropna(subset="label")
    assert got["label"] == ("classification", dict(zip(labelled["file"], labelled["label"], strict=True)))
    measured = frame.dropna(subset="size_mm")
    assert got["size_mm"] == ("regression", dict(zip(measured["file"], measured["size_mm"], strict=True)))


@pytest.mark.parametrize("unit", ["pixels", "shares", "percent"])
@pytest.mark.parametrize("form", ["size", "corners", "centre"])
@pytest.mark.parametrize("cells", ["columns", "list"])
def test_boxes_in_every_form_and_unit(tmp_path, unit, form, cells):
    random = np.random.default_rng(5)
    pictures(tmp_path / "in", FLAT)
    corners = np.sort(random.random((N, 2, 2)), 1) * (WIDTH - 2, HEIGHT - 2) + [[0, 0], [2, 2]]
    x1, y1, x2, y2 = corners[:, 0, 0], corners[:, 0, 1], corners[:, 1, 0], corners[:, 1, 1]
    scale = {"pixels": 1.0, "shares": 1 / np.array([WIDTH, HEIGHT]), "percent": 100 / np.array([WIDTH, HEIGHT])}[unit] * np.ones(2)
    first = ((x1 + x2) / 2, (y1 + y2) / 2) if form == "centre" else (x1, y1)
    second = (x2, y2) if form == "corners" else (x2 - x1, y2 - y1)
    four = np.column_stack([first[0] * scale[0], first[1] * scale[1], second[0] * scale[0], second[1] * scale[1]])
    lines = [f'{FLAT[n]},"{row.tolist()}"' if cells == "list" else [FLAT[n], *row] for n, row in enumerate(four)]
    (tmp_path / "in" / "b.csv").write_text(rows("image,box" if cells == "list" else "image,a,b,c,d", *lines))
    box = ["box"] if cells == "list" else list("abcd")
    source = {"format": "csv", "file": "b.csv", "image_column": "image", "box": box, "box_form": form, "box_unit": unit}
    [target] = examine(tmp_path / "in", ImportSpec.from_dict({"sources": [source]})).targets
    assert len(target.values) == N
    for name, expected in zip(FLAT, np.column_stack([x1, y1, x2, y2]), strict=True):
        assert target.values[name][0, :4] == pytest.approx(expected, abs=1e-3)


def test_old_descriptions_mean_what_they_meant(tmp_path):
    """Without the newer options: words for 'missing', folders of parts, empty boxes and unlisted images as always."""
    root = made(tmp_path / "in", Case([*FLAT, *(f"train/{c}/{n}.png" for c in "ab" for n in range(3))], {}, {}))
    cells = ([FLAT[n], ["none", "a", "b"][n % 3], *(("",) * 4 if n % 2 else (20, 16, 40, 34))] for n in range(20))
    (root / "d.csv").write_text(rows("image,label,x,y,w,h", *cells))
    table = {"format": "csv", "file": "d.csv", "image_column": "image", "columns": [{"column": "label", "task": "label", "kind": "classification"}]}
    spec = ImportSpec.from_dict({"sources": [table | {"box": ["x", "y", "w", "h"]}, {"format": "class_folders"}]})
    got = labels_of(examine(root, spec))
    assert got["label"] == ("classification", {FLAT[n]: "ab"[n % 3 - 1] for n in range(20) if n % 3})
    assert got["box"] == ("detection", {FLAT[n]: [(*BOX, "object")] for n in range(0, 20, 2)})
    assert got["class"] == ("classification", {f"train/{c}/{n}.png": c for c in "ab" for n in range(3)})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"file": "d.xlsx", "sheet": "Other"}, "has no sheet 'Other'; it has Sheet1"),
        ({"box": ["colour", "image"]}, "'box' names 2 columns"),
        (
            {"indicators": [{"columns": ["colour"], "task": "t", "kind": "multi_label", "classes": ["a", "b"]}]},
            "1 columns of yes and no, but 2 class names",
        ),
        ({"indicators": [{"columns": ["shape"], "task": "t", "kind": "multi_label"}]}, "has no column 'shape'"),
        ({"box": ["image"] * 4, "box_class": "kind"}, "has no column 'kind'"),
        ({"image_list": "nowhere.txt"}, "the list of images 'nowhere.txt' cannot be read"),
        ({"file": "d.parquet"}, "no readable parquet"),
        ({"file": "d.jsonl"}, "no readable JSON at line 2"),
        ({"file": "d.json"}, "is no table"),
    ],
)
def test_tables_that_are_refused_say_why(tmp_path, options, sentence):
    root = made(tmp_path / "in", Case(FLAT, {"d.csv": rows("image,colour", *([FLAT[n], colour(n)] for n in range(N)))}, {}))
    (root / "d.xlsx").write_bytes(xlsx([["image", "colour"], [FLAT[0], "red"]]))
    (root / "d.parquet").write_bytes(b"PAR1 cut off")
    (root / "d.jsonl").write_text('{"image": "000.jpg"}\n{"image": ')
    (root / "d.json").write_text('"text"')
    column = {"column": "colour", "task": "colour", "kind": "classification"}
    source = {"format": "csv", "file": "d.csv", "image_column": "image", "columns": [column], **options}
    with pytest.raises(DataError, match=sentence):
        check(root, ImportSpec.from_dict({"sources": [source]}))


def test_a_cell_is_never_evaluated(tmp_path):
    """Lists are read by JSON and a small reader; what looks like code is a text."""
    from mtl_core.data.imports.tables.cells import listed

    assert listed("[__import__('os').system('touch /tmp/x')]") is None
    assert listed("['a', \"b c\", d e, 3, 2.5]") == ["a", "b c", "d e", 3.0, 2.5]
    assert listed('{a,"b,c"}') == ["a", "b,c"]
    assert listed("[1 2  3]") == [1.0, 2.0, 3.0]
    assert listed("[]") == []
    assert [listed(cell) for cell in ("plain", "[", "['a' + 'b']", "[" * 5000, "(1, 2")] == [None] * 5


HOSTILE = {  # a file, and what is said of it; '' where its labels are read
    "nested.json": ("[" * 200_000, "no JSON that can be read"),
    "nested.jsonl": ('{"a":' * 20_000, "no readable JSON"),
    "brackets.csv": ("image,x\n" + "".join(f"{FLAT[n]},{'[' * 100_000}\n" for n in range(N)), "every cell is"),
    "digits.csv": ("image,x\n" + "".join(f"{FLAT[n]},{'9' * (400 + n)}\n" for n in range(N)), "every cell is"),
    "quotes.csv": ("image,x\n" + '"a,\n' * 2000, "no column names images"),
    "empty.csv": ("", "the file is empty"),
    "nul.csv": ("\0\0image", "NUL"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_tables_made_to_harm_are_named_and_passed_over(tmp_path, name):
    content, said = HOSTILE[name]
    root = made(tmp_path / "in", Case(FLAT, {name: content}, {}))
    proposal = propose(root)
    [note] = proposal.files
    assert (note.files, note.read) == (name, False)
    assert said in note.reason
    assert len(note.reason) < 1000
    assert proposal.tasks == ()


def test_a_sheet_that_claims_a_huge_extent_is_read_by_its_cells(tmp_path):
    import openpyxl

    root = made(tmp_path / "in", Case(FLAT, {}, {}))
    book = openpyxl.Workbook()
    for line in [["image", "colour"], *([FLAT[n], colour(n)] for n in range(N))]:
        book.active.append(line)
    book.active["XFD20000"] = " "
    book.save(root / "d.xlsx")
    assert labels_of(examine(root, propose(root).spec)) == {"colour": COLOURS}
