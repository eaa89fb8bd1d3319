"""Tables that people bring: each row is accepted rightly, or refused and said."""

from __future__ import annotations

import pytest

from mtl_core.data.imports import ImportSpec, check, propose
from mtl_core.errors import DataError
from tests.data.imports.hostile.hostile_files import folder_with


def tabled(tmp_path, content: bytes, **options) -> object:
    root = folder_with(tmp_path / "in", {"t.csv": content})
    if not options:
        return check(root, propose(root).spec)
    return check(root, ImportSpec.from_dict({"sources": [{"format": "csv", "file": "t.csv", "image_column": "image", **options}]}))


ROWS = [(f"good_{n}", f"{n},{n}5", ("red", "blue")[n % 2]) for n in range(12)]
PLAIN = "image;size;colour\n" + "\n".join(";".join(row) for row in ROWS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_tables_are_guessed(tmp_path, encoding, delimiter):
    text = PLAIN.replace("red", "röt").replace(";", delimiter)
    report = tabled(tmp_path, text.encode(encoding))
    found = {summary.task.name: summary for summary in report.tasks}
    assert found["colour"].class_counts == {"blue": 6, "röt": 6}
    assert (found["size"].task.kind, found["size"].lowest, found["size"].highest) == ("regression", 0.05, 11.115)
    assert report.findings == ()


COLOUR = {"columns": [{"column": "colour", "task": "colour", "kind": "classification", "classes": ["red", "blue"]}]}
SIZE = {"columns": [{"column": "size", "task": "size", "kind": "regression"}]}
TABLES = {  # CSV, options, what is said, images with a target
    "ragged": ("image,colour\ngood_0,red\ngood_1,blue,more\n", COLOUR, "skipped/ragged_row", 1),
    "missing_image": ("image,colour\ngood_0,red\nnowhere,blue\n", COLOUR, "skipped/missing_image", 1),
    "unknown_class": ("image,colour\ngood_0,red\ngood_1,mauve\n", COLOUR, "skipped/unknown_class", 1),
    "contradiction": ("image,colour\ngood_0,red\ngood_0,blue\n", COLOUR, "skipped/duplicate", 1),
    "empty_cell": ("image,colour\ngood_0,red\ngood_1,\n", COLOUR, "", 1),
    "not_a_number": ("image,size\ngood_0,1.5\ngood_1,big\n", SIZE, "skipped/not_a_number", 1),
    "nan": ("image,size\ngood_0,1.5\ngood_1,nan\n", SIZE, "note/missing_word", 1),
    "infinite": ("image,size\ngood_0,1.5\ngood_1,inf\n", SIZE, "skipped/not_a_number", 1),
    "traversal": ("image,size\ngood_0,1.5\n../../../etc/passwd,2\n", SIZE, "skipped/missing_image", 1),
    "absolute": ("image,size\ngood_0,1.5\n/etc/passwd,2\n", SIZE, "skipped/missing_image", 1),
}


@pytest.mark.parametrize("name", TABLES)
def test_odd_rows(tmp_path, name):
    text, options, said, labelled = TABLES[name]
    report = tabled(tmp_path, text.encode(), **options)
    assert [f"{row.outcome}/{row.kind}" for row in report.findings] == ([said] if said else [])
    assert sum(report.tasks[0].labelled.values()) == labelled


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no rows"),
        (b"image,image\na,b\n", "names a column twice"),
        (b"\0\1\2image", "NUL"),
        (b"picture,size\ngood_0,1\n", "has no column 'image'"),
        (b"image,size\n\xff\xfe\xfa,1\n", "cannot be read as utf-8"),
        (b'image,size\n"' + b"x" * 200_000 + b'",1\n', "no readable CSV"),
    ],
)
def test_tables_that_are_refused(tmp_path, content, sentence):
    with pytest.raises(DataError, match=sentence):
        tabled(tmp_path, content, **SIZE)


def test_cells_that_a_spreadsheet_would_run_are_disarmed(tmp_path):
    root = folder_with(tmp_path, {"=1+1.png": b"", "cat/x.png": b""})
    lines = check(root, ImportSpec.from_dict({"sources": [{"format": "class_folders"}]})).to_csv().splitlines()
    assert any(",'=1+1.png," in line for line in lines)


@pytest.mark.parametrize("name", ["labels.csv", "classes.txt", "colors.txt", "obj.names", "label.tsv"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_cell_that_is_longer_than_python_reads_is_no_fault_of_the_program(tmp_path, name, separator):
    """Also in a file whose name says that it lists classes."""
    content = f"image{separator}size\n{'x' * 200_000}{separator}1\n".encode()
    report = check(root := folder_with(tmp_path / "in", {name: content}), propose(root).spec)
    assert [summary.task.name for summary in report.tasks] == ["class"]  # of the folders
