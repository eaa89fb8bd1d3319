"""No CSV that leaves the program holds a cell that a spreadsheet would run."""

import ast
import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mtl_core.csv_text import STARTS, csv_of, safe_cell
from mtl_core.data.dataset import Task
from mtl_core.tasks import TASK_KINDS
from mtl_core.tasks.kind import TaskKind

ROOT = Path(__file__).parents[1]
FORMULA = "=cmd|'/C calc'!A0"
WITH_ROWS = [name for name in TASK_KINDS if TASK_KINDS.load(name).export_rows.__func__ is not TaskKind.export_rows.__func__]


@pytest.mark.parametrize("start", STARTS)
def test_what_would_be_a_formula_is_text(start):
    assert safe_cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("value", ["cat", "a=b", "", "1-2", "'=1", -1.5, 3, None, True])
def test_anything_else_stays(value):
    assert safe_cell(value) is value


def test_a_table_keeps_its_numbers():
    frame = pd.DataFrame({"=n": [-1.5, np.nan], "text": ["-x", 'a,"b"'], "@": pd.Categorical(["+y", None])})
    rows = list(csv.reader(io.StringIO(csv_of(frame))))
    assert rows == [["'=n", "text", "'@"], ["-1.5", "'-x", "'+y"], ["", 'a,"b"', ""]]
    assert csv_of(pd.DataFrame([[1, "=2"]], columns=["a", "a"])) == "a,a\n1,'=2\n"


@pytest.mark.parametrize("kind", WITH_ROWS)
def test_names_of_classes_and_files_are_text_in_every_table_of_predictions(kind):
    classes = (FORMULA, "@x", "+1")
    task = Task("t", kind, "T", classes=classes, unit=FORMULA)
    points = np.full((2, 3, 3), 0.5, dtype=np.float32)
    targets = {"classification": np.array([0, 1]), "multi_label": np.eye(3, dtype=np.uint8)[:2], "regression": np.array([1.0, -2.0])}
    box = np.array([[[0, 0, 1, 1, 0, 0.5]], [[0, 0, 1, 1, 2, 0.5]]], dtype=np.float32)
    predicted = {
        "classification": np.eye(3)[:2],
        "multi_label": np.eye(3)[:2],
        "regression": np.array([1.0, -2.0]),
        "detection": box,
        "keypoints": points,
    }
    table = pd.DataFrame(TASK_KINDS.load(kind).export_rows(task, predicted[kind], targets.get(kind, points), np.ones(2, bool)))
    table.insert(1, "file", [(FORMULA, "-a.png")[image] for image in table["image"]])
    cells = [cell for row in csv.reader(io.StringIO(csv_of(table))) for cell in row]
    assert [cell for cell in cells if cell.startswith(STARTS) and not _is_number(cell)] == []
    assert f"'{FORMULA}" in cells


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_nothing_writes_csv_past_it():
    """``to_csv`` of pandas and csv.writer are used here, for findings (which call ``safe_cell``), and for the store's own list of files only."""
    found = set()
    for folder in ("mtl_core", "ui", "pages"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if "to_csv" not in text and "riter" not in text:  # to parse it takes longer
                continue
            for node in ast.walk(ast.parse(text)):
                named = node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""
                if (named == "to_csv" and node.keywords) or named in ("writer", "DictWriter"):
                    found.add(path.relative_to(ROOT).as_posix())
    assert found == {"mtl_core/csv_text.py", "mtl_core/data/imports/checking/check_report.py", "mtl_core/data/imports/importing.py"}
