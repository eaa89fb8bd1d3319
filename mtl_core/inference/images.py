"""Images from anywhere as uint8 arrays. What comes from outside is bounded before it is decoded: file size, pixels, formats."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mtl_core.data.imports.pictures import eight_bits, upper_eight_bits
from mtl_core.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
LARGEST_FILE = 64 * 2**20  # bytes
LARGEST_IMAGE = 40_000_000  # pixels; 40 megapixels are 120 MB once decoded
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I;16N")


class ImageFileError(DataError):
    """A file is no image that can be read, or too large a one."""


def read_image(source: str | Path | bytes, levels: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 (H, W, 3) of an image file (or its content), upright, the first frame only; transparent parts stand on white.

    Raises:
        ImageFileError: missing, too large, of an unknown format, or damaged; says which.
    """
    name = "the image" if isinstance(source, bytes) else f"'{source}'"
    content = source if isinstance(source, bytes) else _content(Path(source), name)
    if len(content) > LARGEST_FILE:
        raise ImageFileError(f"{name} has {len(content) / 2**20:.0f} MB; expected at most {LARGEST_FILE // 2**20}. Make it smaller.")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:  # Pillow may warn of the size, too: filters are left to the process
            if picture.width * picture.height > LARGEST_IMAGE:  # known from the header, before anything is decoded
                raise ImageFileError(_too_many(name, picture.width, picture.height))
            picture.load()
            return rgb(ImageOps.exif_transpose(picture), levels)
    except ImageFileError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ImageFileError(f"{name} has more than {LARGEST_IMAGE:,} pixels. Make it smaller.") from None
    except Exception as error:  # Pillow's decoders raise whatever they like on damaged data
        what = "no image of a known format" if isinstance(error, Image.UnidentifiedImageError) else f"a damaged image ({error})"
        raise ImageFileError(f"{name} is {what}; expected one of {', '.join(FORMATS)}.") from None


def rgb(picture: Image.Image, levels: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 (H, W, 3) of a Pillow image of any mode, as imported pictures are read: 16-bit grey becomes the nearest of 256 levels.

    ``levels``: numbers of 16-bit and float pictures that are black and white, where a set of imported pictures has its own.
    """
    if levels is not None and (picture.mode.startswith("I") or picture.mode == "F"):
        return np.asarray(eight_bits(picture, levels)[0].convert("RGB"))
    if picture.mode in _DEEP_GREY or (picture.mode == "I" and picture.format in ("PNG", "TIFF", "PPM")):
        levels = np.asarray(picture).astype(np.int64).clip(0, 65535)
        return np.repeat(upper_eight_bits(levels)[..., None], 3, axis=2)
    if picture.mode in ("I", "F"):  # not of a file: numbers that only Pillow knows how to take
        return np.asarray(picture.convert("RGB"))
    return np.asarray(eight_bits(picture)[0].convert("RGB"))


def as_image(image: Any, levels: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 (H, W, 3) of a path, a Pillow image, or an array: uint8 (H, W), (H, W, 1), (H, W, 3), or floats in 0..1 of these shapes.

    Raises:
        ImageFileError: it is a file that cannot be read.
        DataError: it is none of these; says what was found.
    """
    if isinstance(image, str | Path | bytes):
        return read_image(image, levels)
    if isinstance(image, Image.Image):
        return rgb(image, levels)
    values = np.asarray(image)
    if levels is not None and values.ndim == 2 and values.dtype in (np.uint16, np.int32):
        return rgb(Image.fromarray(values.astype(np.int32)), levels)
    if values.dtype.kind == "f" and values.size and np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
        values = (values * 255).round().astype(np.uint8)
    if values.ndim == 2:
        values = values[..., None]
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3) or not values.size:
        raise DataError(
            f"expected an image as uint8 (or float in 0..1) of shape (H, W), (H, W, 1) or (H, W, 3), found {values.dtype} of shape {values.shape}"
        )
    return np.ascontiguousarray(np.repeat(values, 3 // values.shape[2], axis=2))


def _content(path: Path, name: str) -> bytes:
    try:
        if not path.is_file():
            raise ImageFileError(f"{name} {'is a folder' if path.is_dir() else 'does not exist'}; expected an image file.")
        if path.stat().st_size > LARGEST_FILE:
            raise ImageFileError(f"{name} has {path.stat().st_size / 2**20:.0f} MB; expected at most {LARGEST_FILE // 2**20}. Make it smaller.")
        return path.read_bytes()
    except OSError as error:
        raise ImageFileError(f"{name} cannot be read: {error.strerror or error}.") from None


def _too_many(name: str, width: int, height: int) -> str:
    return f"{name} has {width} x {height} pixels; expected at most {LARGEST_IMAGE:,} in all. Make it smaller."
