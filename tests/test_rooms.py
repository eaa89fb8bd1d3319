"""The house: a file name occurs once, folders stay small, files stay short, those of tests too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRODUCT = [path for folder in ("mtl_core", "ui", "pages") for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".js", ".css")]
MOST_FILES, MOST_LINES = 24, 350
ONE_FILE_A_METHOD = {ROOT / "mtl_core" / "balancing"}


def test_a_file_name_occurs_once():
    counts = Counter(path.name for path in PRODUCT if path.name != "__init__.py")
    assert len(counts) > 300
    assert [name for name, count in counts.items() if count > 1] == []


def test_no_folder_is_crowded():
    counts = Counter(path.parent for path in PRODUCT)
    crowded = {
        folder.relative_to(ROOT).as_posix(): count for folder, count in counts.items() if count > MOST_FILES and folder not in ONE_FILE_A_METHOD
    }
    assert crowded == {}


def test_files_are_short():
    """The product's, the tests' and the benchmarks'."""
    others = [path for folder in ("tests", "benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")]
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in [*PRODUCT, *others]}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_the_files_that_the_groups_of_tests_name_are_there():
    from tests.conftest import GROUPS, LONGEST_FIRST

    named = [*GROUPS, *(group for group in LONGEST_FIRST if group not in {"browser", *GROUPS.values()})]
    assert [file for file in named if not (ROOT / "tests" / f"{file}.py").is_file()] == []
