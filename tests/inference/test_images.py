"""Image files of every sort, hostile ones included."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mtl_core.errors import DataError
from mtl_core.inference import image_reading
from mtl_core.inference.image_reading import ImageFileError, as_image, read_image

PIXELS = np.random.default_rng(0).integers(0, 255, (6, 9, 3), dtype=np.uint8)


def saved(picture, form, **options):
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_are_read_exactly(form, tmp_path):
    (tmp_path / "picture").write_bytes(saved(Image.fromarray(PIXELS), form))
    np.testing.assert_array_equal(read_image(tmp_path / "picture"), PIXELS)


def test_modes_become_rgb():
    grey = Image.fromarray(PIXELS[..., 0])
    np.testing.assert_array_equal(read_image(saved(grey, "PNG"))[..., 2], PIXELS[..., 0])
    assert read_image(saved(Image.new("CMYK", (5, 4), (0, 0, 0, 255)), "JPEG")).max() < 10  # black
    deep = Image.fromarray(np.full((3, 4), 513, np.uint16))
    assert (read_image(saved(deep, "PNG")) == 2).all()  # 513 = 2 * 256 + 1
    clear = Image.new("RGBA", (2, 2), (9, 9, 9, 0))
    assert (read_image(saved(clear, "PNG")) == 255).all()
    assert read_image(saved(Image.fromarray(PIXELS).quantize(4), "GIF")).shape == (6, 9, 3)


def test_a_turned_photograph_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    assert read_image(saved(Image.fromarray(PIXELS), "JPEG", exif=exif)).shape == (9, 6, 3)


def test_arrays():
    np.testing.assert_array_equal(as_image(PIXELS / 255), PIXELS)
    assert as_image(PIXELS[..., 0]).shape == as_image(PIXELS[..., :1]).shape == (6, 9, 3)


def test_numbers_of_an_unknown_range_are_refused_not_clipped():
    """A network sees no white or black picture because nobody said which number is white."""
    floats = np.linspace(0, 1, 54, dtype=np.float32).reshape(6, 9)
    with pytest.raises(ImageFileError, match=r"pixels of floats.*images\.levels.*Save it with 8 or 16 bits"):
        read_image(saved(Image.fromarray(floats), "TIFF"))
    assert read_image(saved(Image.fromarray(floats), "TIFF"), (0.0, 1.0)).max() == 255
    with pytest.raises(ImageFileError, match="has pixel values from 0 to 70000; expected 8 or 16 bits"):
        read_image(saved(Image.fromarray(np.array([[0, 70000]], np.int32)), "TIFF"))
    for numbers in (np.array([[0, 30000]], np.int32), np.array([[-1.0, 2.0]], np.float32), np.array([[0, np.nan]], np.float32)):
        with pytest.raises(DataError, match="expected an image of 8 or 16 bits, found numbers from"):
            as_image(Image.fromarray(numbers))
    np.testing.assert_array_equal(as_image(Image.fromarray(floats)), as_image(floats))
    assert as_image(Image.fromarray(np.array([[0, 200]], np.int32)))[0, 1].tolist() == [200] * 3


def bomb(width, height):
    """A PNG whose header promises many pixels."""
    chunk = lambda name, body: struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))  # noqa: E731
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no image of a known format"),
        (b"not an image", "no image of a known format"),
        (b"%PDF-1.4 whatever", "no image of a known format"),
        (saved(Image.fromarray(PIXELS), "PNG")[:-30], "damaged|no image"),
        (bomb(9000, 9000), "9000 x 9000 pixels|more than"),
        (bomb(60000, 60000), "more than"),
        (saved(Image.fromarray(PIXELS), "ICO"), "no image of a known format"),
    ],
)
def test_what_is_no_image_is_refused_by_name(content, message, tmp_path):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ImageFileError, match=message) as error:
        read_image(tmp_path / "bad.png")
    assert "bad.png" in str(error.value)


def test_a_large_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(image_reading, "LARGEST_FILE", 100)
    (tmp_path / "large.png").write_bytes(bytes(101))
    with pytest.raises(ImageFileError, match="has 0 MB; expected at most"):
        read_image(tmp_path / "large.png")
    with pytest.raises(ImageFileError, match="is a folder"):
        read_image(tmp_path)
