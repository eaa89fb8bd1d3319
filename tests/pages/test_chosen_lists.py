"""Every list of several choices says whether what is chosen wraps. By default Streamlit shows a single row in a column and hides the rest."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@cache
def lists() -> list[tuple[str, ast.Call]]:
    found = []
    for path in sorted([*ROOT.glob("ui/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"]):
        source = path.read_text(encoding="utf-8")
        if "multiselect" not in source:
            continue
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        found += [(f"{path.relative_to(ROOT)}:{call.lineno}", call) for call in calls if getattr(call.func, "attr", "") == "multiselect"]
    return found


def test_there_are_lists():
    assert len(lists()) > 8


@pytest.mark.parametrize(("where", "call"), lists(), ids=[where.rpartition(":")[0] for where, _ in lists()])
def test_a_list_says_whether_it_wraps(where, call):
    assert "wrap" in {keyword.arg for keyword in call.keywords}, where
