"""Reading of one untrusted picture: its size is checked before decoding, it is converted to 8-bit grey or colour, and every change is reported."""

from __future__ import annotations

import io
from dataclasses import dataclass
from posixpath import splitext

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

from mtl_core.data.imports.tree import UnreadableError

try:
    from pillow_heif import register_heif_opener

    register_heif_opener()
    _HEIF = True
except ImportError:  # no wheel for this system; such files are counted and reported
    _HEIF = False
_AVIF = features.check("avif")

KINDS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", *(["HEIF"] if _HEIF else []), *(["AVIF"] if _AVIF else []))
EXTENSIONS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    ".png": "PNG",
    ".bmp": "BMP",
    ".gif": "GIF",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".webp": "WEBP",
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    **(dict.fromkeys((".heic", ".heif", ".hif"), "HEIF") if _HEIF else {}),
    **({".avif": "AVIF"} if _AVIF else {}),
}
MOST_PIXELS = 50_000_000
MOST_BYTES = 128 << 20
_SAMPLES = 277  # TIFF's number of channels
_ORIENTATION = 0x0112
_TURNED_BEFORE = ("JPEG", "TIFF", "WEBP", "PNG")  # what versions of PREPARATION before 4 set upright

Image.MAX_IMAGE_PIXELS = min(Image.MAX_IMAGE_PIXELS or MOST_PIXELS, MOST_PIXELS)


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        image: mode L or RGB; may be smaller than ``size`` if a draft was requested.
        size: (width, height) of the whole picture, upright.
        changes: (kind, sentence) for everything done to it beyond decoding.
        since: the version of PREPARATION from which on it is read so; 0 for all.
    """

    image: Image.Image
    size: tuple[int, int]
    changes: tuple[tuple[str, str], ...]
    since: int = 0


def is_picture(name: str) -> bool:
    """Whether the name has the ending of a picture."""
    return splitext(name)[1].lower() in EXTENSIONS


def read_picture(
    content: bytes, name: str, draft: tuple[int, int] | None = None, levels: tuple[float, float] | None = None, frame: int = 0
) -> Picture:
    """Decode a picture.

    Args:
        draft: (width, height) that suffices: a JPEG is then decoded at 1/2, 1/4 or 1/8 of its size, never below this.
        levels: values of 16-bit and float pictures mapped to black and white; None: 0 and 65535, floats are refused.
        frame: number of the frame in a file of several.

    Raises:
        UnreadableError: the picture can't be read; the message is a sentence with the reason.
    """
    image = open_image(content)
    changes: list[tuple[str, str]] = []
    expected = EXTENSIONS.get(splitext(name)[1].lower())
    kind = "JPEG" if image.format == "MPO" else image.format  # a phone's JPEG with a second picture in it
    if expected and expected != kind:
        changes.append(("wrong_extension", f"named as {expected}, but it is {kind}; read as what it is"))
    if frame:
        _to_frame(image, frame)
    elif getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        changes.append(("animated", f"{getattr(image, 'n_frames', 1)} frames; the first is used"))
    channels = getattr(image, "tag_v2", {}).get(_SAMPLES, 1) if image.format == "TIFF" else 1
    if channels > len(image.getbands()):
        changes.append(("channels", f"{channels} channels, such as infrared beside the colours; the first {len(image.getbands())} are used"))
    size = image.size
    if draft and image.format == "JPEG" and image.mode in ("L", "RGB"):
        image.draft(image.mode, draft)
    # Pillow turns a TIFF itself while it decodes it; the size that it gives before is that of the upright picture.
    turned = getattr(image, "tag_v2", {}).get(_ORIENTATION, 0) if image.format == "TIFF" else 0
    since = 0
    _decoded(image)
    if not turned:
        turned = image.getexif().get(_ORIENTATION, 0)
        if turned in range(2, 9):
            since = 0 if image.format in _TURNED_BEFORE else 4
            image = ImageOps.exif_transpose(image)
            size = size if turned < 5 else (size[1], size[0])
    if turned in range(2, 9):
        changes.append(("turned", f"set upright as its EXIF orientation ({turned}) says"))
    image, change = eight_bits(image, levels)
    return Picture(image, size, (*changes, *change), since)


def open_image(content: bytes) -> Image.Image:
    """Open an image: its header is read and its size checked, but nothing is decoded."""
    if not content:
        raise UnreadableError("the file is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(content), formats=KINDS)  # Pillow's size warning stays, because warning filters are process-wide
    except UnidentifiedImageError:
        raise UnreadableError(f"not a readable picture; expected one of {', '.join(KINDS)}") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UnreadableError(f"more than {MOST_PIXELS:,} pixels; make it smaller") from None
    except Exception as error:  # Pillow's plugins raise anything at a damaged header
        raise UnreadableError(f"its header is damaged ({type(error).__name__}: {str(error)[:120]})") from None
    if image.width * image.height > MOST_PIXELS:
        raise UnreadableError(f"{image.width} x {image.height} pixels; at most {MOST_PIXELS:,} are decoded; make it smaller")
    return image


def decoded(content: bytes) -> Image.Image:
    """Decode an image as it is stored: in its own mode, without EXIF rotation.

    Raises:
        UnreadableError: the image can't be read.
    """
    image = open_image(content)
    _decoded(image)
    return image


def frames_of(content: bytes) -> int:
    """Number of frames in a file; 1 for a phone's JPEG with a second picture in it."""
    image = open_image(content)
    try:
        return 1 if image.format == "MPO" else max(1, int(getattr(image, "n_frames", 1)))
    except Exception as error:
        raise UnreadableError(f"its frames cannot be counted ({type(error).__name__}: {str(error)[:100]})") from None


def _to_frame(image: Image.Image, frame: int) -> None:
    try:
        image.seek(frame)
    except Exception as error:
        raise UnreadableError(f"its frame {frame} cannot be read ({type(error).__name__}: {str(error)[:100]})") from None
    if image.width * image.height > MOST_PIXELS:
        raise UnreadableError(f"{image.width} x {image.height} pixels in frame {frame}; at most {MOST_PIXELS:,} are decoded; make it smaller")


def _decoded(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:
        text = str(error)[:120]
        what = "cut off" if "truncated" in text or isinstance(error, EOFError) else "damaged"
        raise UnreadableError(f"the picture is {what} ({type(error).__name__}: {text})") from None


def eight_bits(image: Image.Image, levels: tuple[float, float] | None = None) -> tuple[Image.Image, list[tuple[str, str]]]:
    """The image in L or RGB, and the changes as (kind, sentence); ``levels`` as in ``read_picture``."""
    mode = image.mode
    if mode in ("L", "RGB"):
        if "transparency" in image.info:
            return image.convert("RGB") if mode == "RGB" else image, [("alpha", "one colour is marked transparent; the mark is ignored")]
        return image, []
    if mode == "1":
        return image.convert("L"), []
    if mode.startswith("I") or mode == "I":
        values = np.asarray(image).astype(np.int64)
        if levels is not None:
            return _by_levels(values, levels)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadableError(f"pixel values from {values.min()} to {values.max()}; expected 8 or 16 bits")
        return Image.fromarray(upper_eight_bits(values)), [("16_bit", "16 bits per pixel brought to 8")]
    if mode == "F" and levels is not None:
        return _by_levels(np.asarray(image), levels)
    if mode == "F":
        raise UnreadableError("pixels of floats; say with 'images.levels' which numbers are black and white")
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


def _by_levels(values: np.ndarray, levels: tuple[float, float]) -> tuple[Image.Image, list[tuple[str, str]]]:
    """8-bit picture of numbers, with the same black and white for all pictures of a set."""
    low, high = levels
    known = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    shares = (np.where(known, values, low).astype(np.float64) - low) / (high - low)
    said = [("levels", f"numbers from {low:g} to {high:g} brought to 8 bits")]
    beyond = float(((shares < 0) | (shares > 1)).mean())
    if beyond:
        said.append(("beyond_levels", f"{beyond:.1%} of its pixels lie beyond {low:g} to {high:g}, and became black or white"))
    if not known.all():
        said.append(("not_a_number", f"{1 - known.mean():.1%} of its pixels are no numbers, and became black"))
    return Image.fromarray((shares.clip(0, 1) * 255 + 0.5).astype(np.uint8)), said


def upper_eight_bits(values: np.ndarray) -> np.ndarray:
    """uint8 of 16-bit integers in 0..65535: the nearest of 256 levels, 257 apart. Imports and predictions both use it."""
    return ((values.astype(np.int64) + 128) // 257).astype(np.uint8)


def index_image(content: bytes) -> np.ndarray:
    """The numbers of a grey or palette mask: int32 (H, W).

    Raises:
        UnreadableError: unreadable, or its channels differ.
    """
    image = decoded(content)
    values = np.asarray(image)
    if values.dtype == bool:
        values = values.astype(np.uint8)
    if values.ndim == 3:
        colours = values[..., :3] if image.mode in ("RGB", "RGBA") else values[..., :1]
        if (colours != colours[..., :1]).any():
            raise UnreadableError("a mask in colours; expected one number per pixel (grey or palette). Give 'colours', colour -> class name")
        values = colours[..., 0]
    if values.dtype.kind not in "ui":
        raise UnreadableError(f"a mask of {values.dtype} values; expected whole numbers")
    return values.astype(np.int32)


def palette_of(content: bytes) -> dict[int, tuple[int, int, int]]:
    """Number -> colour (red, green, blue) of a picture with a palette; empty for others. Only the file's head is read."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            flat = (image.getpalette("RGB") if image.mode == "P" else None) or []
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return {}
    return {number: (flat[at], flat[at + 1], flat[at + 2]) for number, at in enumerate(range(0, len(flat) - 2, 3))}


def colour_image(content: bytes) -> np.ndarray:
    """A mask's colours as red * 65536 + green * 256 + blue: int32 (H, W). Transparent pixels keep their colour.

    Raises:
        UnreadableError: unreadable, or of more than 8 bits.
    """
    image = decoded(content)
    if image.mode not in ("RGB", "RGBA", "P", "L", "1", "LA", "PA"):
        raise UnreadableError(f"a mask in colours with pixels of mode {image.mode}; expected 8 bits for each of red, green and blue")
    values = np.asarray(image.convert("RGBA" if image.mode in ("LA", "PA", "RGBA") else "RGB"))[..., :3].astype(np.int32)
    return values[..., 0] << 16 | values[..., 1] << 8 | values[..., 2]
