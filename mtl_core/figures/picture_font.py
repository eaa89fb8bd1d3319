"""The font of words in pictures. Pillow brings one with Latin letters only; Chinese is drawn in a font of this machine, where it has one.

Where it has none, words of ours are drawn in English (``picture_language``). Chinese names that people give have no letters to be drawn with then.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import cast

from PIL import ImageFont

from mtl_core.language import SOURCE, language

# Language -> files of fonts that have its letters, with the number of the face, on Linux, Windows and macOS.
FONTS: dict[str, tuple[tuple[str, int], ...]] = {
    "zh": (
        ("NotoSansCJK-Regular.ttc", 2),
        ("NotoSansSC-Regular.otf", 0),
        ("NotoSansCJKsc-Regular.otf", 0),
        ("SourceHanSansSC-Regular.otf", 0),
        ("SourceHanSans.ttc", 2),
        ("wqy-microhei.ttc", 0),
        ("wqy-zenhei.ttc", 0),
        ("msyh.ttc", 0),
        ("simhei.ttf", 0),
        ("PingFang.ttc", 0),
        ("Hiragino_Sans_GB.ttc".replace("_", " "), 0),  # with a space it would be taken for a text to translate
        ("STHeiti_Light.ttc".replace("_", " "), 0),
    )
}
FIRST_EAST_ASIAN = "\u2e80"  # letter from which on Pillow's font has none


def picture_language() -> str:
    """The language for words in pictures: the reader's, where there is a font with its letters, else English."""
    name = language()
    return name if name not in FONTS or font_file(name) else SOURCE


def picture_font(text: str, size: float) -> ImageFont.FreeTypeFont:
    """The font for a text, ``size`` pixels high: Pillow's own, or one of this machine for letters that it does not have."""
    if any(letter >= FIRST_EAST_ASIAN for letter in text):
        for name in FONTS:
            if found := font_file(name):
                return _of_size(*found, size)
    return _own(size)


def font_file(name: str) -> tuple[str, int] | None:
    """Path and face of a font of this machine for a language of ``FONTS``; None where there is none."""
    return _first_there(FONTS[name])


@cache
def _first_there(files: tuple[tuple[str, int], ...]) -> tuple[str, int] | None:
    """The first file that Pillow finds in the folders of fonts of the system and of the user."""
    for file, face in files:
        try:
            return str(ImageFont.truetype(file, 10, index=face).path), face
        except OSError:
            continue
    return None


@lru_cache(maxsize=32)
def _of_size(path: str, face: int, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size, index=face)


@lru_cache(maxsize=32)
def _own(size: float) -> ImageFont.FreeTypeFont:
    return cast("ImageFont.FreeTypeFont", ImageFont.load_default(size))
