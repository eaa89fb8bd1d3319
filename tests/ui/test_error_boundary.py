"""Every fragment shows its errors as sentences: it reruns on its own, where nothing around it would catch them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("ui", "pages") for path in (ROOT / folder).rglob("*.py") if "st.fragment" in path.read_text(encoding="utf-8"))


def _is_fragment(node: ast.expr) -> bool:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node) == "st.fragment"


def _unguarded(path: Path) -> list[str]:
    """Names of the functions of a file that are fragments without ``worded``."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: [ast.unparse(each) for each in node.decorator_list] for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    decorated = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and any(map(_is_fragment, n.decorator_list))}
    made = {ast.unparse(n.args[0]) for n in ast.walk(tree) if isinstance(n, ast.Call) and _is_fragment(n) and n.args}
    assert decorated | made, f"{path.name}: no fragment was found"
    return sorted(name for name in decorated | made if "worded" not in functions.get(name, ()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_fragment_is_guarded(path):
    assert _unguarded(path) == []
