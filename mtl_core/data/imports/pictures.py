"""Reading one picture that may be anything: bounded before it is decoded, brought to 8 bits grey or colour, every change said."""

from __future__ import annotations

import io
from dataclasses import dataclass
from posixpath import splitext

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mtl_core.data.imports.tree import UnreadableError

KINDS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
EXTENSIONS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    ".png": "PNG",
    ".bmp": "BMP",
    ".gif": "GIF",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".webp": "WEBP",
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
}
MOST_PIXELS = 50_000_000
MOST_BYTES = 128 << 20
_ORIENTATION = 0x0112

Image.MAX_IMAGE_PIXELS = min(Image.MAX_IMAGE_PIXELS or MOST_PIXELS, MOST_PIXELS)


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: mode L or RGB; smaller than ``size`` where a draft was asked for.
        size: (width, height) of the whole picture, upright.
        changes: (kind, sentence) for everything done to it beyond decoding.
    """

    image: Image.Image
    size: tuple[int, int]
    changes: tuple[tuple[str, str], ...]


def is_picture(name: str) -> bool:
    """Whether the name ends as a picture's does."""
    return splitext(name)[1].lower() in EXTENSIONS


def read_picture(content: bytes, name: str, draft: tuple[int, int] | None = None) -> Picture:
    """Decode a picture.

    Args:
        draft: (width, height) that is enough: JPEG is then decoded at 1/2, 1/4 or 1/8 of its size, never below this.

    Raises:
        UnreadableError: what is wrong with it, as a sentence.
    """
    image = opened(content)
    changes: list[tuple[str, str]] = []
    expected = EXTENSIONS.get(splitext(name)[1].lower())
    if expected and expected != image.format:
        changes.append(("wrong_extension", f"named as {expected}, but it is {image.format}; read as what it is"))
    if getattr(image, "n_frames", 1) > 1:
        changes.append(("animated", f"{image.n_frames} frames; the first is used"))
    size = image.size
    if draft and image.format == "JPEG" and image.mode in ("L", "RGB"):
        image.draft(image.mode, draft)
    _decoded(image)
    turned = image.getexif().get(_ORIENTATION, 1) if image.format in ("JPEG", "TIFF", "WEBP", "PNG") else 1
    if turned in range(2, 9):
        image = ImageOps.exif_transpose(image)
        size = size if turned < 5 else size[::-1]
        changes.append(("turned", f"set upright as its EXIF orientation ({turned}) says"))
    image, change = _eight_bits(image)
    return Picture(image, size, (*changes, *change))


def opened(content: bytes) -> Image.Image:
    """An image with its header read, within the bounds; nothing is decoded yet."""
    if not content:
        raise UnreadableError("the file is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(content), formats=KINDS)  # Pillow may warn of the size, which is checked below: filters are the process's
    except UnidentifiedImageError:
        raise UnreadableError(f"not a picture that can be read; expected one of {', '.join(KINDS)}") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UnreadableError(f"more than {MOST_PIXELS:,} pixels; make it smaller") from None
    except Exception as error:  # Pillow's plugins raise anything at a damaged header
        raise UnreadableError(f"its header is damaged ({type(error).__name__}: {str(error)[:120]})") from None
    if image.width * image.height > MOST_PIXELS:
        raise UnreadableError(f"{image.width} x {image.height} pixels; at most {MOST_PIXELS:,} are decoded; make it smaller")
    return image


def _decoded(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:
        text = str(error)[:120]
        what = "cut off" if "truncated" in text or isinstance(error, EOFError) else "damaged"
        raise UnreadableError(f"the picture is {what} ({type(error).__name__}: {text})") from None


def _eight_bits(image: Image.Image) -> tuple[Image.Image, list[tuple[str, str]]]:
    """The image in L or RGB, and what was done for it."""
    mode = image.mode
    if mode in ("L", "RGB"):
        if "transparency" in image.info:
            return image.convert("RGB") if mode == "RGB" else image, [("alpha", "one colour is marked transparent; the mark is ignored")]
        return image, []
    if mode == "1":
        return image.convert("L"), []
    if mode.startswith("I") or mode == "I":
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadableError(f"pixel values from {values.min()} to {values.max()}; expected 8 or 16 bits")
        return Image.fromarray((values // 257).astype(np.uint8)), [("16_bit", "16 bits per pixel brought to 8")]
    if mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB"), [(mode.lower(), f"{mode} converted to RGB")]
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or (mode == "P" and "transparency" in image.info):
        over = Image.new("RGBA", image.size, (255, 255, 255, 255))
        over.alpha_composite(image.convert("RGBA"))
        flat = over.convert("L" if mode in ("LA", "La") else "RGB")
        return flat, [("alpha", "transparent parts laid over white")]
    if mode == "P":
        return image.convert("RGB"), [("palette", "palette converted to RGB")]
    raise UnreadableError(f"pixels of mode {mode}; expected 8 or 16 bits, grey or colour")


def index_image(content: bytes) -> np.ndarray:
    """A mask's numbers, not its colours: int32 (H, W).

    Raises:
        UnreadableError: unreadable, or its channels differ.
    """
    image = opened(content)
    _decoded(image)
    values = np.asarray(image)
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.ndim == 3:
        colours = values[..., :3] if image.mode in ("RGB", "RGBA") else values[..., :1]
        if (colours != colours[..., :1]).any():
            raise UnreadableError("a mask in colours; expected one number per pixel (grey or palette). Save it as an index image")
        values = colours[..., 0]
    if values.dtype.kind not in "ui":
        raise UnreadableError(f"a mask of {values.dtype} values; expected whole numbers")
    return values.astype(np.int32)
