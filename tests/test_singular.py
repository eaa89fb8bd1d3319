"""Texts say "1 image", whatever wrote the number: the engine's f-strings name the plural."""

import re
from string import Formatter

import pytest

from mtl_core.cli.output import emit, say
from mtl_core.language import _catalogue, filled, speaking, tr
from mtl_core.singular import in_singular

NOUN = re.compile(r"(?<![\w.,:/-])(?<!to )(?<!x )(?<!of )1 ([a-z]+s)\b")
# What follows a number in the catalogue and is no plural: verbs, a singular, a unit, and the end of a list of names.
NO_PLURALS = {"as", "class", "compares", "differs", "does", "ends", "finds", "fits", "has", "is", "keeps", "leaves", "marks", "misses", "ms", "needs"}
NO_PLURALS |= {"others", "process", "says", "waits", "was", "works", "yes"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 images are in none of the parts", "1 image is in none of the parts"),
        ("1 of 12 images have no row", "1 of 12 images has no row"),
        ("0 of 1 runs; 1 of 1 tasks", "0 of 1 runs; 1 of 1 tasks"),
        ("3 rows, 1 boxes (1 classes)", "3 rows, 1 box (1 class)"),
        ("1,001 images, 21 images and 0.1 images", "1,001 images, 21 images and 0.1 images"),
        ("a picture of 28 x 1 pixels; after epoch 1 images", "a picture of 28 x 1 pixels; after epoch 1 images"),
        ("the set '1 images' has 1 images", "the set '1 images' has 1 image"),
    ],
)
def test_one_thing_is_said_in_the_singular(text, told, capsys):
    assert in_singular(text) == told
    assert tr(text) == told
    emit(text)
    say(text)
    assert capsys.readouterr() == (f"{told}\n", f"{told}\n")


def test_a_name_is_shown_as_it_was_given():
    assert tr("{count} images of {name}", count=1, name="1 images") == "1 images of 1 images"
    assert tr("{count} images of {name}", count=1, name="a set") == "1 image of a set"


def test_other_languages_find_the_text_as_it_was_written():
    with speaking("zh"):
        assert tr("1 images are in none of the parts given; they are left out") != "1 images are in none of the parts given; they are left out"


def test_every_text_can_say_one():
    """Each template of the catalogue with 1 in all its places."""
    left, looked_at = {}, 0
    for text in _catalogue("zh"):
        try:
            fields = {field: 1 for _, field, *_ in Formatter().parse(text) if field}
            told = in_singular(filled(text, **fields)) if fields else ""
        except (ValueError, AttributeError, IndexError, KeyError, TypeError):  # no template, but a text with braces
            continue
        looked_at += bool(fields)
        if words := [word for word in NOUN.findall(told) if word not in NO_PLURALS]:
            left[text] = words
    assert looked_at > 1500
    assert left == {}
