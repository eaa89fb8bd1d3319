"""SVHN (Netzer et al. 2011): house numbers from the street, cut to 32x32 pixels. Read from its MATLAB files, which hold numbers only."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.sources.digit_pixels import UPRIGHT
from mtl_core.data.sources.published_set import Resource, StoredSet
from mtl_core.errors import DataError


class SVHN(StoredSet):
    """99,289 digits in colour. The files store the digit 0 as 10."""

    title = "SVHN (32x32)"
    summary = "73,257 + 26,032 digits of house numbers, in colour."
    homepage = "http://ufldl.stanford.edu/housenumbers"
    megabytes = 250

    def tasks(self) -> tuple[Task, ...]:
        return (
            Task(
                "digit",
                "classification",
                "digit",
                classes=tuple("0123456789"),
                title="Digit in the middle",
                spoiled_by=("flip",),
                rotation_up_to=UPRIGHT,
            ),
        )

    def image_shape(self) -> tuple[int, int, int]:
        return (3, 32, 32)

    def files(self) -> list[Path]:
        return [self._path(part) for part in ("train", "test")]

    def resources(self) -> list[Resource]:
        from torchvision import datasets  # takes seconds to import

        return [Resource(url, md5, self.root, unpack=False) for url, _, md5 in (datasets.SVHN.split_list[part] for part in ("train", "test"))]

    def count(self, part: str) -> int:
        if self._path(part).is_file():
            from scipy.io import whosmat

            try:
                return next(shape[0] for name, shape, _ in whosmat(self._path(part)) if name == "y")
            except (OSError, ValueError, TypeError, NotImplementedError, StopIteration):
                pass  # ``read`` reports what is wrong with the file
        return {"train": 73_257, "test": 26_032}[part]

    def read(self, part: str, rows: np.ndarray, progress: Progress) -> MultiTaskDataset:
        from scipy.io import loadmat

        path = self._path(part)
        try:
            contents = loadmat(path, variable_names=["X", "y"])
            images, digits = contents["X"], contents["y"].reshape(-1).astype(np.int64)
        except (OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
            raise DataError(f"'{path}' is not a readable SVHN file ({error}). Delete it and fetch or copy it again.") from None
        if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(digits)) or not set(np.unique(digits)) <= set(range(11)):
            raise DataError(f"'{path}': expected uint8 (32, 32, 3, N) and N digits 1 to 10, found {images.dtype} {images.shape} and {len(digits)}.")
        progress(0.8, path.name)
        kept = np.ascontiguousarray(images.transpose(3, 2, 0, 1)[rows])
        return MultiTaskDataset(kept, {"digit": digits[rows] % 10}, {"digit": np.ones(len(rows), dtype=bool)})

    def _path(self, part: str) -> Path:
        return self.root / f"{part}_32x32.mat"
