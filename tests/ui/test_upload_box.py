"""The box for files has the page's words: in English Streamlit's own, in another language those of a style."""

import re

import pytest

from mtl_core.language import speaking
from ui.drawing import upload_box as module
from ui.drawing.upload_box import _css_text, upload_box


@pytest.fixture
def styles(monkeypatch):
    """The styles that a box in a language adds to the page."""

    def drawn(language):
        found = []
        monkeypatch.setattr(module.st, "html", found.append)
        monkeypatch.setattr(module.st, "file_uploader", lambda *_, **__: None)
        with speaking(language):
            upload_box("A file", ["zip", "png"], "own.upload", 20)
        return "".join(found)

    return drawn


def test_the_words_are_in_the_readers_language(styles):
    style = styles("zh")
    shown = [read_by_a_browser(text) for text in re.findall(r'content: "([^"]*)"', style)]
    assert shown == ["上传", "最大 20 MB · ZIP, PNG"]
    assert style.count("display: none") + style.count("clip-path: inset(50%)") == len(shown)
    assert styles("en") == ""


def read_by_a_browser(text):
    """A text between quotes in CSS: an escape ends with one space, which belongs to it."""
    return re.sub(r"\\([0-9a-f]{1,6}) ", lambda match: chr(int(match[1], 16)), text)


def test_no_text_leaves_its_quotes():
    for text in ('a"; } body {display: none} /*', "</style><script>", "back\\slash\nline"):
        written = _css_text(text)
        assert re.fullmatch(r'"[\w \\]*"', written)
        assert read_by_a_browser(written[1:-1]) == text
