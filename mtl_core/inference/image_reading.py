"""Image files, Pillow images and arrays as uint8 arrays. File size, pixel count and format are checked before decoding."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from mtl_core.data.imports.picture_reading import EXTENSIONS, KINDS, MOST_BYTES, MOST_PIXELS, eight_bits
from mtl_core.data.imports.tree import UnreadableError
from mtl_core.errors import DataError

SUFFIXES = tuple(EXTENSIONS)  # what can be imported can be predicted
LARGEST_FILE, LARGEST_IMAGE = MOST_BYTES, MOST_PIXELS


class ImageFileError(DataError):
    """A file is not a readable image, or too large."""


def read_image(source: str | Path | bytes, levels: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 (H, W, 3) of an image file (or its content), turned upright, first frame only; transparent parts become white.

    Raises:
        ImageFileError: the file is missing, too large, of an unknown format, or damaged.
    """
    name = "the image" if isinstance(source, bytes) else f"'{source}'"
    content = source if isinstance(source, bytes) else _content(Path(source), name)
    if len(content) > LARGEST_FILE:
        raise ImageFileError(f"{name} has {len(content) / 2**20:.0f} MB; expected at most {LARGEST_FILE // 2**20}. Make it smaller.")
    try:
        with Image.open(io.BytesIO(content), formats=KINDS) as picture:  # Pillow may warn of the size too; warning filters belong to the process
            if picture.width * picture.height > LARGEST_IMAGE:  # the header has the size, so this is before decoding
                raise ImageFileError(_too_many(name, picture.width, picture.height))
            picture.load()
            if picture.mode == "F" and levels is None:
                raise ImageFileError(
                    f"{name} has pixels of floats, and the network's data set names no numbers that are black and white in them "
                    "('images.levels'). Save it with 8 or 16 bits."
                )
            return _as_rgb(ImageOps.exif_transpose(picture), levels)
    except ImageFileError:
        raise
    except UnreadableError as error:
        raise ImageFileError(f"{name} has {error}.") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ImageFileError(f"{name} has more than {LARGEST_IMAGE:,} pixels. Make it smaller.") from None
    except Exception as error:  # Pillow's decoders raise many types of exceptions on damaged data
        what = "no image of a known format" if isinstance(error, Image.UnidentifiedImageError) else f"a damaged image ({error})"
        raise ImageFileError(f"{name} is {what}; expected one of {', '.join(KINDS)}.") from None


def rgb(picture: Image.Image, levels: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 (H, W, 3) of a Pillow image of any mode, converted like imported pictures: 16-bit grey becomes the nearest of 256 levels.

    Args:
        levels: the values that mean black and white in 16-bit and float pictures, if an imported set has its own.

    Raises:
        DataError: the numbers of the pixels do not say which of them is white.
    """
    if picture.mode not in ("I", "F") or levels is not None or (picture.mode == "I" and picture.format is not None):
        try:
            return _as_rgb(picture, levels)
        except UnreadableError as error:
            raise DataError(f"the image has {error}") from None
    values = np.asarray(picture)  # numbers of an unknown range
    if picture.mode == "F" and values.size and 0 <= values.min() <= values.max() <= 1:
        return as_image(values)  # as an array of floats
    if not (0 <= values.min() <= values.max() <= 255):
        raise DataError(
            f"expected an image of 8 or 16 bits, found numbers from {values.min():g} to {values.max():g} in a Pillow image of mode "
            f"'{picture.mode}'; give it as mode 'L', 'RGB' or 'I;16'"
        )
    return np.asarray(picture.convert("RGB"))


def _as_rgb(picture: Image.Image, levels: tuple[float, float] | None) -> np.ndarray:
    return np.asarray(eight_bits(picture, levels)[0].convert("RGB"))


def as_image(image: Any, levels: tuple[float, float] | None = None) -> np.ndarray:
    """uint8 (H, W, 3) of a path, a Pillow image, or an array or tensor: uint8 (H, W), (H, W, 1), (H, W, 3), or floats in 0..1 of these shapes.

    Raises:
        ImageFileError: the file cannot be read.
        DataError: the value is none of these.
    """
    if isinstance(image, str | Path | bytes):
        return read_image(image, levels)
    if isinstance(image, Image.Image):
        return rgb(image, levels)
    given = values = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)  # a tensor may be on a GPU, or have a gradient
    if levels is not None and values.ndim == 2 and values.dtype in (np.uint16, np.int32):
        return rgb(Image.fromarray(values.astype(np.int32)), levels)
    if values.dtype.kind == "f" and values.size and np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1:
        values = (values * 255).round().astype(np.uint8)
    if values.ndim == 2:
        values = values[..., None]
    if values.dtype != np.uint8 or values.ndim != 3 or values.shape[2] not in (1, 3) or not values.size:
        first = given.ndim == 3 and given.shape[0] in (1, 3) and given.shape[2] not in (1, 3)
        outside = given.dtype.kind == "f" and given.size and not (np.isfinite(given).all() and given.min() >= 0 and given.max() <= 1)
        raise DataError(
            f"expected an image as uint8 (or float in 0..1) of shape (H, W), (H, W, 1) or (H, W, 3), found {given.dtype} of shape {given.shape}"
            + (", with channels first; put them last" if first else ", with values outside 0..1" if outside else "")
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
