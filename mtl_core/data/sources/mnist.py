"""MNIST in torchvision's folder layout, with slant, ink and box measured from the pixels as further targets.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import DataSource, Progress, SourceOptions
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.sources.digit_pixels import BOX_TASK, DIGIT_TASK, INK_TASK, SLANT_TASK, measured_digits
from mtl_core.data.sources.mnist_files import ROOT_VARIABLE, MNISTFiles, mnist_root, root_problem
from mtl_core.errors import DataError

ROOT_HELP = f"Folder that holds MNIST/raw, as torchvision lays it out; empty for ${ROOT_VARIABLE} or a folder in your home's cache."


class MNISTOptions(SourceOptions):
    """Options of ``mnist``."""

    root: str = Field("", description=ROOT_HELP, json_schema_extra={"path": True})
    download: bool = Field(True, description="Fetch the files (11 MB) where they are missing.")
    train_size: int = Field(50_000, ge=1, le=60_000, description="Most images to train on, evenly spread over those not in val.")
    val_size: int = Field(10_000, ge=1, le=30_000, description="Images for val: the last ones of the training file.")
    test_size: int = Field(10_000, ge=1, le=10_000, description="Most images of the test file, evenly spread.")


class MNIST(DataSource):
    """70,000 digits of 28x28 pixels with their class, slant, ink and box."""

    title = "MNIST (28x28)"
    summary = "70,000 real digits, with slant, ink and box measured from the pixels."
    Options = MNISTOptions
    options: MNISTOptions

    def tasks(self) -> tuple[Task, ...]:
        return (DIGIT_TASK, SLANT_TASK, INK_TASK, BOX_TASK)

    def image_shape(self) -> tuple[int, int, int]:
        return (1, 28, 28)

    def split_sizes(self) -> dict[str, int]:
        files, options = self._files(), self.options
        kept = max(0, files.count("train") - options.val_size)
        return {"train": min(options.train_size, kept), "val": options.val_size, "test": min(options.test_size, files.count("test"))}

    def problems(self) -> list[tuple[str, str]]:
        missing = root_problem(self.options.root, self.options.download)
        return [("root", missing)] if missing else self._size_problem()

    def to_fetch(self) -> tuple[Path, int] | None:
        return None if root_problem(self.options.root, self.options.download) else self._files().to_fetch()

    def cache_key(self) -> dict[str, Any]:
        sizes = self.options.model_dump(mode="json", include={"train_size", "val_size", "test_size"})
        return {**sizes, "files": self._files().identity()}

    def rows(self, split: str) -> np.ndarray:
        """Rows of the training file (train, val) or the test file that make up the split, ascending."""
        files, size = self._files(), self.split_sizes()[split]
        if split == "val":
            return np.arange(files.count("train") - size, files.count("train"))
        kept = files.count("train") - self.options.val_size if split == "train" else files.count("test")
        return np.linspace(0, kept, size, endpoint=False).astype(np.int64)

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        images, digits = self.digits(split, progress)
        progress(0.5, f"measuring {len(images):,} images")
        data = measured_digits(images[:, None], digits, self.tasks())
        progress(1.0, f"{len(images):,} images")
        return data

    def digits(self, split: str, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        """The split's images, uint8 (N, 28, 28), and which digit each is, int64 (N,).

        Raises:
            DataError: the files are missing, can't be read or don't belong together.
        """
        files = fetched(self._files(), self.options.download, progress)
        for _, sentence in self._size_problem():
            raise DataError(sentence)
        rows, part = self.rows(split), "test" if split == "test" else "train"
        images, digits = files.images(part), files.digits(part)
        if images.shape[1:] != (28, 28) or len(images) != len(digits):
            raise DataError(
                f"'{files.folder}': expected 28 x 28 images and one digit each, found images {images.shape} and {len(digits)} digits. "
                "Are the files from different data sets?"
            )
        return images[rows], digits[rows]

    def _files(self) -> MNISTFiles:
        return MNISTFiles(mnist_root(self.options.root))

    def _size_problem(self) -> list[tuple[str, str]]:
        count = self._files().count("train")
        if self.options.val_size < count:
            return []
        return [("val_size", f"val_size {self.options.val_size:,} leaves nothing of the {count:,} images to train on; make it smaller")]


def fetched(files: MNISTFiles, download: bool, progress: Progress) -> MNISTFiles:
    """The files. Missing files are downloaded first if ``download`` allows it.

    Raises:
        DataError: files are missing; the message names them and their folder.
    """
    if files.missing():
        if not download:
            raise DataError(files.missing_sentence())
        files.fetch(progress)
    return files
