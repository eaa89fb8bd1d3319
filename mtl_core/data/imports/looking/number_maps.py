"""Reading of maps with one number per pixel: a 16-bit or float picture, an npy, or a PFM. Sizes are checked before decoding."""

from __future__ import annotations

import io
import re
from posixpath import splitext

import numpy as np

from mtl_core.data.imports.picture_reading import MOST_PIXELS, is_picture, open_image
from mtl_core.data.imports.tree import UnreadableError

ARRAYS = (".npy", ".pfm")


def is_map(name: str) -> bool:
    """Whether the name has the ending of a picture or of an array of numbers."""
    return is_picture(name) or splitext(name)[1].lower() in ARRAYS


def read_map(content: bytes, name: str) -> np.ndarray:
    """The file's numbers as float64 (H, W). A grey picture saved with three equal channels counts as grey.

    Raises:
        UnreadableError: not a map of numbers.
    """
    ending = splitext(name)[1].lower()
    if ending == ".npy":
        return _npy(content)
    return _pfm(content) if ending == ".pfm" else _image(content)


def _image(content: bytes) -> np.ndarray:
    image = open_image(content)
    try:
        values = np.asarray(image)
    except Exception as error:
        raise UnreadableError(f"the map is damaged or cut off ({type(error).__name__}: {str(error)[:100]})") from None
    if values.ndim == 3 and image.mode in ("RGB", "RGBA", "LA") and (values[..., :3] == values[..., :1]).all() and image.mode != "LA":
        values = values[..., 0]
    if values.ndim != 2 or image.mode == "P":
        raise UnreadableError(f"pixels of mode {image.mode}; expected one number per pixel (16-bit grey)")
    return values.astype(np.float64)


def _npy(content: bytes) -> np.ndarray:
    """The array of an npy. An npy of Python objects is refused, because it would run code when read."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        if dtype.hasobject:
            raise UnreadableError("an npy of Python objects (pickled); expected numbers. Save it with allow_pickle=False")
        if int(np.prod(shape, dtype=np.float64)) > MOST_PIXELS or dtype.kind not in "fui":
            raise UnreadableError(f"an npy of {dtype} {shape}; expected at most {MOST_PIXELS:,} numbers")
        file.seek(0)
        values = np.load(file, allow_pickle=False)
    except UnreadableError:
        raise
    except Exception as error:
        raise UnreadableError(f"not a readable npy ({type(error).__name__}: {str(error)[:100]})") from None
    values = values.squeeze()
    if values.ndim != 2:
        raise UnreadableError(f"an npy of shape {values.shape}; expected (height, width)")
    return values.astype(np.float64)


def _pfm(content: bytes) -> np.ndarray:
    """Middlebury's portable float map: rows from bottom to top; a negative scale means little-endian."""
    found = re.match(rb"(Pf|PF)\s+(\d{1,6})\s+(\d{1,6})\s+(-?[0-9.eE+]{1,20})\s", content[:200])
    if not found:
        raise UnreadableError("not a readable PFM: expected 'Pf', width, height and scale")
    if found[1] == b"PF":
        raise UnreadableError("a PFM of three channels; expected one number per pixel")
    width, height = int(found[2]), int(found[3])
    if not 0 < width * height <= MOST_PIXELS or len(content) - found.end() < 4 * width * height:
        raise UnreadableError(f"a PFM of {width} x {height} pixels that holds {len(content) - found.end():,} bytes; at most {MOST_PIXELS:,} are read")
    kind = "<f4" if found[4].startswith(b"-") else ">f4"
    return np.frombuffer(content, kind, width * height, found.end()).reshape(height, width)[::-1].astype(np.float64)
