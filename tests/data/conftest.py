"""Data made small for the tests of this folder."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def no_progress():
    return lambda share, what: None


@pytest.fixture
def write_mnist(tmp_path):
    """A function that writes a small MNIST: 40 + 10 images, image i all of brightness i (test: 100 + i), digit i % 10."""

    def write(root: Path = tmp_path / "mnist", packed: bool = False, train: int = 40, test: int = 10) -> Path:
        folder = root / "MNIST" / "raw"
        folder.mkdir(parents=True)
        for prefix, count, first in (("train", train, 0), ("t10k", test, 100)):
            images = np.repeat(np.arange(first, first + count, dtype=np.uint8), 28 * 28)
            digits = (np.arange(count) % 10).astype(np.uint8)
            write_idx(folder / f"{prefix}-images-idx3-ubyte", images.reshape(count, 28, 28), packed)
            write_idx(folder / f"{prefix}-labels-idx1-ubyte", digits, packed)
        return root

    return write


def write_idx(path: Path, values: np.ndarray, packed: bool) -> None:
    data = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape) + values.tobytes()
    if packed:
        Path(f"{path}.gz").write_bytes(gzip.compress(data))
    else:
        path.write_bytes(data)


@pytest.fixture
def make_shapes(tmp_path):
    """A function that makes a folder of 20 small pictures with a CSV (colour, size in px), masks and VOC boxes: a square each."""

    def make(root: Path = tmp_path / "shapes", count: int = 20) -> Path:
        from PIL import Image

        for folder in ("images", "masks", "xml"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        rows = ["image,colour,size_px"]
        for number in range(count):
            size, channel = 5 + number % 7 + 0.5, number % 3
            pixels, mask = np.full((24, 32, 3), number % 200, np.uint8), np.zeros((24, 32), np.uint8)
            pixels[4 : 4 + int(size), 6 : 6 + int(size), channel] = 200
            mask[4 : 4 + int(size), 6 : 6 + int(size)] = 1 + channel
            Image.fromarray(pixels).save(root / "images" / f"{number:03}.png")
            Image.fromarray(mask).save(root / "masks" / f"{number:03}.png")
            box = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), (7, 5, 6 + int(size), 4 + int(size)), strict=True))
            text = f"<annotation><filename>{number:03}.png</filename><object><name>square</name><bndbox>{box}</bndbox></object></annotation>"
            (root / "xml" / f"{number:03}.xml").write_text(text)
            rows.append(f"{number:03}.png,{('red', 'green', 'blue')[channel]},{size}")
        (root / "table.csv").write_text("\n".join(rows))
        return root

    return make


@pytest.fixture
def import_shapes(make_shapes, home):
    """A function that imports them as ``shapes``."""
    from mtl_core.data.imports import import_dataset, propose

    def run(name: str = "shapes"):
        root = make_shapes()
        return import_dataset(root, propose(root).spec, name)

    return run
