"""The kinds of findings: each that the source names has words, and no words are left of one that is gone."""

import ast
from itertools import pairwise
from pathlib import Path

from mtl_core.data import imports
from mtl_core.data.imports.checking.finding_kinds import KINDS
from mtl_core.language import speaking, tr

SOURCES = [path for path in Path(imports.__file__).parent.rglob("*.py") if path.name not in ("finding_kinds.py", "check_report.py")]
OUTCOMES = ("repaired", "skipped", "note")


def texts_in_order(tree):
    """The texts side by side in every call and every tuple."""
    for node in ast.walk(tree):
        parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
        yield [part.value if isinstance(part, ast.Constant) else None for part in parts]


def test_kinds_and_their_words_are_the_same():
    named, texts = set(), set()
    for path in SOURCES:
        for found in texts_in_order(ast.parse(path.read_text(encoding="utf-8"))):
            texts.update(text.lower() for text in found if isinstance(text, str))
            named |= {kind for outcome, kind in pairwise(found) if outcome in OUTCOMES and kind and kind not in OUTCOMES}
    assert len(named) > 50
    assert named - set(KINDS) == set()
    assert set(KINDS) - texts == set()


def test_kinds_are_told_apart_in_each_language():
    for language in ("en", "zh"):
        with speaking(language):
            words = [tr(title) for title in KINDS.values()]
        assert len(set(words)) == len(words)
