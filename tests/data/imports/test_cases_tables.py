"""Tables and folders as other tools and people write them: each ends with its right labels, or says what is not read; what is doubtful is asked.

Every case states all of its labels. A label that is read wrongly, or that is there and not read without a word, fails.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mtl_core.data.imports import ImportSpec, answer, check, examine, import_dataset, propose
from mtl_core.errors import DataError
from tests.data.imports.table_cases import CASES
from tests.data.imports.table_cases.table_case import (
    BOX,
    COLOURS,
    FLAT,
    HEIGHT,
    WIDTH,
    Case,
    N,
    colour,
    labels_of,
    made,
    parquet,
    pictures,
    rows,
    xlsx,
)


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
