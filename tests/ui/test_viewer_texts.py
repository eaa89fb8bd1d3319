"""The viewer's scripts show every text in the reader's language."""

from __future__ import annotations

import re
from pathlib import Path

from mtl_core.language import speaking, tr
from ui.drawing.viewer_texts import TEXTS

SCRIPTS = sorted((Path(__file__).parents[2] / "ui" / "drawing").glob("viewer*.js"))
LINES = [line for script in SCRIPTS for line in script.read_text(encoding="utf-8").splitlines()]
WHOLE = "\n".join(line for line in LINES if not line.lstrip().startswith(("//", "import")))
WRITTEN = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')
CODE = {  # names of keys, elements, classes and styles
    *("ArrowDown", "ArrowLeft", "ArrowRight", "ArrowUp", "Arrow", "INPUT", "bar first", "row several", "prob right"),
    *("${size}px sans-serif", "4px solid ${colour}", 'linear-gradient(to right, ${colours.join(",")})'),
}


def texts_written() -> set[str]:
    """What the scripts write between quotes and reads as a text: it begins with a capital, or has words side by side."""
    found = {plain or template for plain, template in WRITTEN.findall(re.sub(r" // .*", "", WHOLE))}
    words = {text: re.sub(r"\$\{[^}]*\}", "", text) for text in found if "[role=" not in text}
    return {text for text, plain in words.items() if re.search("[A-Z][a-z]{2}|[a-z]{2,}[ ,:]+[a-z]{2,}", plain)} - CODE


def test_no_text_is_written_past_the_table():
    assert sorted(texts_written() - set(TEXTS)) == []


def test_the_table_has_nothing_else():
    assert [text for text in TEXTS if f'"{text}"' not in WHOLE] == []


def test_every_text_has_its_chinese():
    with speaking("zh"):
        assert [text for text in TEXTS if not re.search("[\u4e00-\u9fff]", tr(text))] == []
