"""Pictures that are broken, odd or hostile, and a folder of good ones to put them into."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

SMOOTH = Image.fromarray(np.add.outer(np.arange(40), 3 * np.arange(50)).astype(np.uint8)).convert("RGB")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(image=SMOOTH, **options) -> bytes:
    return encoded(image, "PNG", **options)


def bomb() -> bytes:
    """A PNG of 20,000 x 20,000 pixels in a few hundred bytes; its content is never reached."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0" * 1000)) + part(b"IEND", b"")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(SMOOTH, "JPEG", exif=exif)


def noise() -> bytes:
    return random.Random(0).randbytes(5000)


def animated() -> bytes:
    return encoded(SMOOTH.convert("L"), "TIFF", save_all=True, append_images=[SMOOTH.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])


SIXTEEN = Image.fromarray((np.arange(2000).reshape(40, 50) * 30).astype(np.uint16))
ALPHA = Image.merge("RGBA", (*SMOOTH.split(), Image.new("L", SMOOTH.size, 90)))
FLOAT = Image.fromarray(np.linspace(0, 1, 2000, dtype=np.float32).reshape(40, 50))


def folder_with(root: Path, extra: dict[str, bytes], classes: bool = True) -> Path:
    """Two classes of six good pictures, and more files beside them."""
    for number in range(12):
        path = root / ("cat", "dog")[number % 2] / f"good_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(Image.fromarray(np.roll(np.asarray(SMOOTH), number + 1, 0))))
    for name, content in extra.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root
