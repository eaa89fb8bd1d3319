"""Fashion-MNIST, KMNIST and EMNIST: sets of 28x28 grey images in MNIST's idx files, in torchvision's folder layout.

Sources: Xiao, Rasul and Vollgraf 2017 (https://arxiv.org/abs/1708.07747); Clanuwat et al. 2018 (https://arxiv.org/abs/1812.01718);
Cohen et al. 2017 (https://arxiv.org/abs/1702.05373).
"""

from __future__ import annotations

import string
import struct
import zlib
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.sources.digit_pixels import UPRIGHT
from mtl_core.data.sources.mnist_files import open_idx, parse_idx
from mtl_core.data.sources.published_set import Resource, StoredOptions, StoredSet
from mtl_core.errors import DataError


class IdxSet(StoredSet):
    """Parent of the sets with four idx files below ``<root>/<set>/raw``, plain or as ``.gz``."""

    megabytes: ClassVar[int] = 30
    set_name: ClassVar[str]
    published: ClassVar[dict[str, int]] = {"train": 60_000, "test": 10_000}
    classes: tuple[str, ...]
    is_writing: bool = False  # whether flip and large rotations would turn a character into another one

    @property
    def folder(self) -> Path:
        """The folder of the files."""
        return self.root / self.set_name / "raw"

    def stem(self, part: str) -> str:
        """The prefix of the names of a part's files."""
        return {"train": "train", "test": "t10k"}[part]

    def path(self, part: str, content: str) -> Path:
        """The file of ``images`` or ``labels``; the unpacked one if both exist."""
        name = f"{self.stem(part)}-{content}-idx{3 if content == 'images' else 1}-ubyte"
        plain, packed = self.folder / name, self.folder / f"{name}.gz"
        return packed if packed.is_file() and not plain.is_file() else plain

    def files(self) -> list[Path]:
        return [self.path(part, content) for part in ("train", "test") for content in ("images", "labels")]

    def resources(self) -> list[Resource]:
        from torchvision import datasets  # takes seconds to import

        published = getattr(datasets, self.set_name)
        return [Resource(published.mirrors[0] + name, md5, self.folder, unpack=False) for name, md5 in published.resources]

    def tasks(self) -> tuple[Task, ...]:
        turned = UPRIGHT if self.is_writing else 180.0
        spoiled = ("flip",) if self.is_writing else ()
        return (Task("category", "classification", "category", self.classes, title="What it is", spoiled_by=spoiled, rotation_up_to=turned),)

    def image_shape(self) -> tuple[int, int, int]:
        return (1, 28, 28)

    def count(self, part: str) -> int:
        try:
            with open_idx(self.path(part, "images")) as file:
                return struct.unpack(">ii", file.read(8))[1]
        except (OSError, EOFError, struct.error):
            return self.published[part]  # ``read`` reports what is wrong with the file

    def read(self, part: str, rows: np.ndarray, progress: Progress) -> MultiTaskDataset:
        images, categories = self._array(part, "images"), self._array(part, "labels").astype(np.int64) - self.first_label
        if images.shape[1:] != (28, 28) or len(images) != len(categories):
            found = f"images {images.shape} and {len(categories)} labels"
            raise DataError(f"'{self.folder}': expected 28 x 28 images and a label each, found {found}. Are the files from different sets?")
        if len(categories) and not 0 <= categories.min() <= categories.max() < len(self.classes):
            found = f"{categories.min() + self.first_label} to {categories.max() + self.first_label}"
            raise DataError(f"'{self.path(part, 'labels')}': expected {len(self.classes)} classes from {self.first_label} on, found {found}.")
        kept = self.upright(images[rows])[:, None]
        return MultiTaskDataset(kept, {"category": categories[rows]}, {"category": np.ones(len(rows), dtype=bool)})

    first_label: int = 0

    def upright(self, images: np.ndarray) -> np.ndarray:
        """The images with the characters upright."""
        return images

    def _array(self, part: str, content: str) -> np.ndarray:
        path = self.path(part, content)
        try:
            with open_idx(path) as file:
                return parse_idx(file.read(), dimensions=3 if content == "images" else 1)
        except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
            raise DataError(f"'{path}' is not a readable idx file ({error}). Delete it and fetch or copy it again.") from None


class FashionMNIST(IdxSet):
    """70,000 pieces of clothing of 28x28 pixels."""

    title = "Fashion-MNIST (28x28)"
    summary = "70,000 grey pictures of clothing in 10 classes, in MNIST's format and harder."
    homepage = "https://github.com/zalandoresearch/fashion-mnist"
    set_name = "FashionMNIST"
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


class KMNIST(IdxSet):
    """70,000 cursive Japanese characters of 28x28 pixels."""

    title = "KMNIST (28x28)"
    summary = "70,000 cursive Japanese characters in 10 classes, in MNIST's format."
    homepage = "https://github.com/rois-codh/kmnist"
    set_name = "KMNIST"
    is_writing = True
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


class EMNISTOptions(StoredOptions):
    """Options of ``emnist``."""

    subset: Literal["balanced", "byclass", "bymerge", "letters", "digits", "mnist"] = Field(
        "balanced", description="Which of EMNIST's six sets: 'balanced' has 47 classes, 'byclass' 62, 'letters' 26, 'digits' and 'mnist' 10."
    )


class EMNIST(IdxSet):
    """Handwritten letters and digits of 28x28 pixels. The files store them transposed; this source returns them upright."""

    title = "EMNIST (28x28)"
    summary = "Handwritten letters and digits in six sets of 26 to 62 classes."
    homepage = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
    set_name = "EMNIST"
    is_writing = True
    megabytes = 560
    Options = EMNISTOptions
    options: EMNISTOptions
    _merged = frozenset("cijklmopsuvwxyz")  # lower-case letters that count as their upper-case ones
    _published: ClassVar[dict[str, tuple[int, int]]] = {
        "balanced": (112_800, 18_800),
        "byclass": (697_932, 116_323),
        "bymerge": (697_932, 116_323),
        "letters": (124_800, 20_800),
        "digits": (240_000, 40_000),
        "mnist": (60_000, 10_000),
    }

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the files' numbers."""
        if self.options.subset in ("digits", "mnist"):
            return tuple(string.digits)
        if self.options.subset == "letters":
            return tuple(string.ascii_lowercase)
        every = string.digits + string.ascii_uppercase + string.ascii_lowercase
        return tuple(each for each in every if self.options.subset == "byclass" or each not in self._merged)

    @property
    def first_label(self) -> int:
        """The lowest label in the files; ``letters`` counts from 1."""
        return int(self.options.subset == "letters")

    @property
    def published(self) -> dict[str, int]:
        """Published numbers of images, for a set that is not downloaded yet."""
        return dict(zip(("train", "test"), self._published[self.options.subset], strict=True))

    def stem(self, part: str) -> str:
        return f"emnist-{self.options.subset}-{part}"

    def path(self, part: str, content: str) -> Path:
        inside = self.folder / "gzip" / f"{self.stem(part)}-{content}-idx{3 if content == 'images' else 1}-ubyte.gz"  # as the archive unpacks
        return inside if inside.is_file() and not super().path(part, content).is_file() else super().path(part, content)

    def resources(self) -> list[Resource]:
        from torchvision import datasets  # takes seconds to import

        return [Resource(datasets.EMNIST.url, datasets.EMNIST.md5, self.folder, unpack=True)]

    def upright(self, images: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(images.transpose(0, 2, 1))
