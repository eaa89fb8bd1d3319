"""The 1,797 real handwritten digits that ship with scikit-learn, available without a download.

Source: UCI "Optical Recognition of Handwritten Digits" (E. Alpaydin, C. Kaynak), the test part, as in ``sklearn.datasets.load_digits``.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import DataSource, Progress, SourceOptions
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.sources.digit_pixels import BOX_TASK, DIGIT_TASK, INK_TASK, SLANT_TASK, measured_digits
from mtl_core.errors import DataError

# Number of images of each digit 0..9. The split sizes follow from it without reading the images.
PER_DIGIT = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
SMALLEST_WITH_BOX = 16  # in pixels; below it one pixel of box is a tenth of the digit
SPLIT_SHARES = {"train": 0.7, "val": 0.15}  # the rest is test


class DigitsOptions(SourceOptions):
    """Options of ``digits``."""

    image_size: int = Field(8, ge=8, le=64, description="Height and width in pixels; the originals are 8 x 8 and are enlarged smoothly.")
    seed: int = Field(0, ge=0, lt=2**31, description="Which digits go into train, val and test.")


class Digits(DataSource):
    """8x8 digits with class, slant and ink; also a box from ``image_size`` 16 on."""

    title = "Handwritten digits (8x8)"
    summary = "1,797 real digits that come with scikit-learn."
    Options = DigitsOptions
    options: DigitsOptions

    def tasks(self) -> tuple[Task, ...]:
        with_box = (BOX_TASK,) if self.options.image_size >= SMALLEST_WITH_BOX else ()
        return (DIGIT_TASK, SLANT_TASK, INK_TASK, *with_box)

    def image_shape(self) -> tuple[int, int, int]:
        return (1, self.options.image_size, self.options.image_size)

    def split_sizes(self) -> dict[str, int]:
        parts = [_part_sizes(count) for count in PER_DIGIT]
        return {split: sum(part[split] for part in parts) for split in ("train", "val", "test")}

    def source_digits(self, split: str) -> np.ndarray:
        """Rows of ``load_digits`` in the split, ascending."""
        return split_digits(load_digits()[1], self.options.seed)[split]

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        pixels, digits = load_digits()
        rows = self.source_digits(split)
        images = _enlarged(pixels[rows], self.options.image_size)
        progress(1.0, f"{len(rows)} digits")
        return measured_digits(images[:, None], digits[rows], self.tasks())


@cache
def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 digits: uint8 pixels (1797, 8, 8) in 0..255 (17 levels) and int64 classes (1797,). Read-only.

    The file of scikit-learn is read without importing scikit-learn, which takes a second and is not needed otherwise.

    Raises:
        DataError: scikit-learn or its file is missing.
    """
    package = find_spec("sklearn")
    folders = (package.submodule_search_locations if package else None) or []
    file = next((path for folder in folders if (path := Path(folder) / "datasets" / "data" / "digits.csv.gz").is_file()), None)
    if file is None:
        raise DataError("the digits that ship with scikit-learn are missing: expected sklearn/datasets/data/digits.csv.gz. Install scikit-learn anew")
    table = np.loadtxt(file, delimiter=",")
    pixels = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    digits = table[:, -1].astype(np.int64)
    pixels.flags.writeable = digits.flags.writeable = False
    return pixels, digits


def split_digits(digits: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Rows for train, val and test (70/15/15), with the same shares of every digit; ascending."""
    random = np.random.default_rng([seed, 1])
    rows: dict[str, list[np.ndarray]] = {"train": [], "val": [], "test": []}
    for digit in range(10):
        shuffled = random.permutation(np.flatnonzero(digits == digit))
        start = 0
        for split, size in _part_sizes(len(shuffled)).items():
            rows[split].append(shuffled[start : start + size])
            start += size
    return {split: np.sort(np.concatenate(parts)) for split, parts in rows.items()}


def _part_sizes(count: int) -> dict[str, int]:
    train, val = (round(count * SPLIT_SHARES[split]) for split in ("train", "val"))
    return {"train": train, "val": val, "test": count - train - val}


def _enlarged(pixels: np.ndarray, size: int) -> np.ndarray:
    """uint8 (N, h, w) -> (N, size, size), bilinear."""
    if pixels.shape[1:] == (size, size):
        return pixels
    from PIL import Image

    return np.stack([np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)) for image in pixels])
