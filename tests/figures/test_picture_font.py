"""The font of words in pictures, on machines with and without one that has Chinese."""

import numpy as np
import pytest
from PIL import ImageFont

from mtl_core.figures import picture_font
from mtl_core.figures.gallery import Tile, contact_sheet
from mtl_core.figures.overlays import draw_boxes
from mtl_core.language import speaking

MACHINES = {"with": ("a font", 0), "without": None}
TILE = Tile(np.zeros((40, 40, 3), dtype=np.uint8), "猫")


@pytest.fixture
def asked(monkeypatch):
    """The files that were asked for, on a machine that has Chinese; the letters themselves are drawn by Pillow's own font."""
    found = []

    def of_size(path, face, size):
        found.append((path, face, size))
        return ImageFont.load_default(size)

    monkeypatch.setattr(picture_font, "_first_there", lambda files: MACHINES["with"])
    monkeypatch.setattr(picture_font, "_of_size", of_size)
    return found


@pytest.mark.parametrize(
    ("machine", "reader", "drawn"), [("with", "zh", "zh"), ("with", "en", "en"), ("without", "zh", "en"), ("without", "en", "en")]
)
def test_words_in_pictures_are_english_where_no_font_has_the_letters(monkeypatch, machine, reader, drawn):
    monkeypatch.setattr(picture_font, "_first_there", lambda files: MACHINES[machine])
    with speaking(reader):
        assert picture_font.picture_language() == drawn


def test_names_with_other_letters_are_drawn_in_a_font_that_has_them(asked):
    contact_sheet([("target", [TILE])], ink="#000000", text_height=12)
    assert set(asked) == {("a font", 0, 12)}
    asked.clear()
    draw_boxes(TILE.image, np.array([[1, 1, 9, 9]]), ["狗"], np.array([[255, 0, 0]]), 5)
    assert asked == [("a font", 0, 15)]


def test_latin_letters_are_drawn_in_the_same_font_everywhere(asked):
    contact_sheet([("target", [Tile(TILE.image, "größer · 3 °")])], ink="#000000", text_height=12)
    draw_boxes(TILE.image, np.array([[1, 1, 9, 9]]), ["dog"], np.array([[255, 0, 0]]), 5)
    assert asked == []


def test_without_a_font_a_name_is_drawn_all_the_same(monkeypatch):
    monkeypatch.setattr(picture_font, "_first_there", lambda files: None)
    assert contact_sheet([("", [TILE])], ink="#000000", text_height=12).height > 40


def test_the_first_font_that_is_there_is_taken():
    own = ImageFont.load_default(10)
    assert picture_font._first_there((("no-such-font.ttf", 0), ("nor-this.ttc", 2))) is None
    assert picture_font.picture_font("abc", 10).getlength("abc") == own.getlength("abc")
