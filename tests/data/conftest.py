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
