"""NYUv2 and Cityscapes in the layout that multi-task papers use: one npy file per image and target, below ``train`` and ``val``.

The layout is that of MTAN's data (Liu, Johns and Davison 2019, https://arxiv.org/abs/1803.10704; https://github.com/lorenmt/mtan), which later papers
and LibMTL share: ``train/image/0.npy`` (H, W, 3) in 0..1, ``label/0.npy`` (H, W) class or -1, ``depth/0.npy`` (H, W, 1), ``normal/0.npy`` (H, W, 3).

Those papers select the epoch on their ``val`` folder, or report the last epochs on it. Here test data never select a model: test is their ``val``,
and val is cut from their ``train``, spread evenly over it. Test numbers compare with theirs; training uses fewer images.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import DataSource, Progress, SourceOptions
from mtl_core.data.dataset import IGNORE, MultiTaskDataset, Task
from mtl_core.errors import DataError

Load = Callable[[str, int], np.ndarray]


class FolderOptions(SourceOptions):
    """Options of ``nyuv2`` and ``cityscapes``."""

    root: str = Field("", description="Folder that holds 'train' and 'val', each with image, label and depth.", json_schema_extra={"path": True})
    shrink: int = Field(1, ge=1, le=16, description="Height and width are divided by this: images are averaged, targets take the nearest pixel.")
    val_share: float = Field(0.1, gt=0, le=0.5, description="Share of the training folder that becomes val, spread evenly over it.")


class PaperFolders(DataSource):
    """Parent of NYUv2 and Cityscapes: the folder layout, its reading and its splits."""

    Options = FolderOptions
    options: FolderOptions
    labels: ClassVar[tuple[str, ...]] = ("label",)  # possible names of the folder of class maps
    needed: ClassVar[tuple[str, ...]] = ("depth",)
    download_page: ClassVar[str]
    assumed_shape: ClassVar[tuple[int, int]]
    classes: ClassVar[tuple[str, ...]]

    def problems(self) -> list[tuple[str, str]]:
        reason = self._missing()
        return [("root", reason)] if reason else []

    def image_shape(self) -> tuple[int, int, int]:
        height, width = self._full_shape
        return (3, height // self.options.shrink, width // self.options.shrink)

    def split_sizes(self) -> dict[str, int]:
        return {split: len(self._rows(split)) for split in ("train", "val", "test")}

    def cache_key(self) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for folder in ("train", "val"):
            for part in ("image", self._label_folder(folder), *self.needed):
                files = [self._file(folder, part, number).stat() for number in self._numbers[folder] if self._file(folder, part, number).is_file()]
                facts[f"{folder}/{part}"] = [len(files), sum(file.st_size for file in files), max((file.st_mtime_ns for file in files), default=0)]
        return {**self.options.model_dump(mode="json", exclude={"root"}), "files": facts}

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        reason = self._missing()
        if reason:
            raise DataError(reason)
        folder, rows = ("val" if split == "test" else "train"), self._rows(split)
        channels, height, width = self.image_shape()
        images = np.empty((len(rows), channels, height, width), np.uint8)
        targets: dict[str, np.ndarray] = {}
        for place, number in enumerate(rows):
            images[place] = self._image(folder, number)
            for name, values in self._targets(folder, number).items():
                if name not in targets:
                    targets[name] = np.empty((len(rows), *values.shape), values.dtype)
                targets[name][place] = values
            progress((place + 1) / len(rows), f"{place + 1:,} of {len(rows):,} images")
        known = {name: self._has_any(name, values) for name, values in targets.items()}
        return MultiTaskDataset(images, targets, known)

    @staticmethod
    def _has_any(name: str, values: np.ndarray) -> np.ndarray:
        """bool (N,): images with at least one pixel that has this target."""
        if values.dtype == np.uint8:
            return np.any(values != IGNORE, axis=(1, 2))
        rows = values.reshape(len(values), -1)
        return np.any(np.isfinite(rows), axis=1) if values.ndim == 3 else np.any(rows != 0, axis=1)

    def _targets(self, folder: str, number: int) -> dict[str, np.ndarray]:
        labels = self._load(folder, self._label_folder(folder), number, channels=0)
        classes = len(self.classes)
        if labels.max(initial=-1) >= classes:
            path = self._file(folder, self._label_folder(folder), number)
            raise DataError(f"'{path}': expected classes -1 to {classes - 1}, found {labels.max():g}. Is it another data set's folder?")
        mask = np.where(labels < 0, IGNORE, labels).astype(np.uint8)
        depth = self._load(folder, "depth", number, channels=1)[..., 0]
        depth = np.where(depth > 0, depth, np.nan).astype(np.float32)
        return {"segments": self._nearest(mask), "depth": self._nearest(depth)}

    def _image(self, folder: str, number: int) -> np.ndarray:
        pixels = self._load(folder, "image", number, channels=3).astype(np.float32)
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= 0 and high <= 1.001):
            path = self._file(folder, "image", number)
            raise DataError(f"'{path}': expected colours between 0 and 1, found {low:g} to {high:g}. Divide them by 255 if they are bytes.")
        _, height, width = self.image_shape()
        shrink = self.options.shrink
        blocks = pixels[: height * shrink, : width * shrink].reshape(height, shrink, width, shrink, 3)
        return np.rint(np.clip(blocks.mean(axis=(1, 3)), 0, 1) * 255).astype(np.uint8).transpose(2, 0, 1)

    def _nearest(self, values: np.ndarray) -> np.ndarray:
        """Every block's middle pixel of ``values`` (H, W, ...)."""
        _, height, width = self.image_shape()
        shrink, middle = self.options.shrink, self.options.shrink // 2
        return np.ascontiguousarray(values[middle : height * shrink : shrink, middle : width * shrink : shrink])

    def _load(self, folder: str, part: str, number: int, channels: int) -> np.ndarray:
        """An npy file's array (H, W) or (H, W, channels). A file of Python objects is refused, never unpickled."""
        path = self._file(folder, part, number)
        try:
            values = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"'{path}' can't be read as an npy file of numbers: {error}. Delete it and copy it again.") from None
        expected = (*self._full_shape, channels) if channels else self._full_shape
        if channels == 1 and values.shape == self._full_shape:
            values = values[..., None]
        if values.shape != expected or values.dtype.kind not in "fiub":
            found = f"{values.shape} of {values.dtype}"
            raise DataError(f"'{path}': expected numbers of shape {expected}, as '{self._first_image}' has it, found {found}.")
        return values

    def _missing(self) -> str:
        """A sentence about what the folder lacks and what to do; empty if nothing is missing."""
        root = Path(self.options.root).expanduser()
        parts = " and ".join(
            f"'{split}/{{{','.join(('image', '|'.join(self.labels), *self.needed))}}}/0.npy, 1.npy, ...'" for split in ("train", "val")
        )
        if not self.options.root:
            return f"choose the folder of {self.title}: one that holds {parts}. The data are linked from {self.download_page}"
        for split in ("train", "val"):
            numbers = self._numbers[split]
            if len(numbers) < 2:
                found = f"'{root / split / 'image'}' holds {len(numbers)} images"
                return f"{found}: expected {parts} below '{root}'. The data are linked from {self.download_page}"
            for part in (self._label_folder(split), *self.needed):
                lacking = [number for number in numbers if not self._file(split, part, number).is_file()]
                if lacking:
                    return f"'{self._file(split, part, lacking[0])}' is missing ({len(lacking)} of {len(numbers)}); expected one for each image"
        return ""

    @cached_property
    def _numbers(self) -> dict[str, list[int]]:
        root = Path(self.options.root).expanduser()
        found = {}
        for split in ("train", "val"):
            paths = (root / split / "image").glob("*.npy") if self.options.root else ()
            found[split] = sorted(int(path.stem) for path in paths if path.stem.isdigit())
        return found

    @cached_property
    def _first_image(self) -> Path | None:
        return next((self._file(split, "image", numbers[0]) for split, numbers in self._numbers.items() if numbers), None)

    @cached_property
    def _full_shape(self) -> tuple[int, int]:
        if self._first_image is not None:
            try:
                shape = np.load(self._first_image, mmap_mode="r", allow_pickle=False).shape
                if len(shape) == 3 and min(shape[:2]) >= self.options.shrink:
                    return shape[:2]
            except (OSError, ValueError, EOFError):
                pass  # ``_image`` reports what is wrong with the file
        return self.assumed_shape

    def _label_folder(self, split: str) -> str:
        root = Path(self.options.root).expanduser()
        return next((name for name in self.labels if (root / split / name).is_dir()), self.labels[0])

    def _file(self, split: str, part: str, number: int) -> Path:
        return Path(self.options.root).expanduser() / split / part / f"{number}.npy"

    def _rows(self, split: str) -> list[int]:
        if split == "test":
            return self._numbers["val"]
        numbers = self._numbers["train"]
        count = min(max(1, round(self.options.val_share * len(numbers))), max(0, len(numbers) - 1))
        val = set(np.linspace(0, len(numbers) - 1, count + 2).round().astype(int)[1:-1].tolist())
        return [number for place, number in enumerate(numbers) if (place in val) == (split == "val")]


class NYUv2(PaperFolders):
    """Indoor scenes: 13 classes, depth in metres and surface normals on the same images."""

    title = "NYUv2 (papers' folders)"
    summary = "795 + 654 indoor images of 288 x 384 pixels with classes, depth and surface normals, as the multi-task papers use them."
    download_page = "https://github.com/lorenmt/mtan"
    needed = ("depth", "normal")
    assumed_shape = (288, 384)
    # The 13 classes of Couprie et al. 2013 (https://arxiv.org/abs/1301.3572), in the order of its mapping from NYUv2's names.
    classes = ("bed", "books", "ceiling", "chair", "floor", "furniture", "objects", "picture", "sofa", "table", "tv", "wall", "window")

    def tasks(self) -> tuple[Task, ...]:
        return (
            Task("segments", "segmentation", "segments", classes=self.classes, title="Class of each pixel"),
            Task("depth", "depth", "depth", unit="m", title="Depth", value_range=(0.7, 10.0)),
            Task("normals", "normals", "normals", title="Surface normals"),
        )

    def _targets(self, folder: str, number: int) -> dict[str, np.ndarray]:
        normals = self._nearest(self._load(folder, "normal", number, channels=3).astype(np.float32))
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        unit = np.where(length > 0.5, normals / np.maximum(length, 1e-6), 0)  # the zero vector stands for a missing normal
        return {**super()._targets(folder, number), "normals": unit.transpose(2, 0, 1).astype(np.float16)}


class Cityscapes(PaperFolders):
    """Streets: 7 classes and inverse depth on the same images."""

    title = "Cityscapes (papers' folders)"
    summary = "2,975 + 500 street images of 128 x 256 pixels with 7 classes and inverse depth (disparity), as the multi-task papers use them."
    download_page = "https://github.com/lorenmt/mtan"
    labels = ("label_7", "label")
    assumed_shape = (128, 256)
    # Cityscapes' seven categories (https://www.cityscapes-dataset.com/dataset-overview).
    classes = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")

    def tasks(self) -> tuple[Task, ...]:
        return (
            Task("segments", "segmentation", "segments", classes=self.classes, title="Category of each pixel"),
            # Inverse depth keeps the files' scale and has no unit.
            Task(
                "inverse_depth", "depth", "depth", unit="(as in the files)", title="Inverse depth", value_range=(0.0, 0.5), geometry="inverse_depth"
            ),
        )
