import io

import numpy as np
import pytest
from PIL import Image, ImageFont

from mtl_core.figures.gallery import GAP, Tile, contact_sheet, png, shortened, wrapped


def tile(value, caption="", size=40):
    return Tile(np.full((size, size, 3), value, dtype=np.uint8), caption)


def test_tiles_stand_in_rows_with_gaps_between():
    sheet = np.asarray(contact_sheet([("", [tile(10), tile(20)]), ("", [tile(30)])], ink="#000000", text_height=12))
    assert sheet.shape == (80 + GAP, 80 + GAP, 4)
    assert sheet[0, 0].tolist() == [10, 10, 10, 255]
    assert sheet[0, 40 + GAP].tolist() == [20, 20, 20, 255]
    assert sheet[40 + GAP, 0].tolist() == [30, 30, 30, 255]
    assert sheet[0, 40, 3] == 0
    assert sheet[40 + GAP, 40 + GAP, 3] == 0


def test_captions_and_titles_take_room_of_their_own():
    plain = contact_sheet([("", [tile(10)])], ink="#000000", text_height=12)
    titled = contact_sheet([("target", [tile(10, "3")])], ink="#FF0000", text_height=12)
    assert titled.width > plain.width
    assert titled.height > plain.height
    pixels = np.asarray(titled)
    ink = (pixels[..., 0] == 255) & (pixels[..., 1] == 0) & (pixels[..., 3] > 0)
    assert ink[:40, : titled.width - 40].any()
    assert ink[40:].any()


def test_no_tile_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="expected at least one tile, found none"):
        contact_sheet([("target", [])], ink="#000000", text_height=12)


def test_long_captions_end_in_an_ellipsis():
    font = ImageFont.load_default(12)
    assert shortened("3", font, 40) == "3"
    cut = shortened("a caption that is far too long", font, 60)
    assert cut.endswith("…")
    assert font.getlength(cut) <= 60


def test_png_gives_back_the_pixels_and_is_the_same_each_time():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(image)))), image)
    assert png(image) == png(image)


def test_a_long_caption_takes_two_lines_and_loses_nothing_that_fits_them():
    font = ImageFont.load_default(17)
    width = int(font.getlength("american_bulldog"))
    assert wrapped("cat", font, width) == ["cat"]
    assert wrapped("", font, width) == []
    assert wrapped("Abyssinian (46 %)", font, int(font.getlength("Abyssinian (4"))) == ["Abyssinian", "(46 %)"]
    assert wrapped("american_bulldog 0.93", font, width) == ["american_bulldog", "0.93"]
    first, second = wrapped("n" * 300, font, width)
    assert set(first) == {"n"}
    assert second.endswith("…")
    assert font.getlength(second) <= width
