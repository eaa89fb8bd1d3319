"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): colour images of 32x32 pixels.

The sets are published as Python pickles and in a binary form. The binary files are read directly. A pickle can run code, so a pickle (torchvision's
form) is opened only if its MD5 is the published file's, by an unpickler that makes only numpy arrays and plain values.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.sources.published_set import Resource, StoredSet, md5_of
from mtl_core.errors import DataError

_PIXELS = 3 * 32 * 32
CLASSES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CLASSES_100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle caterpillar cattle chair "
    "chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard "
    "lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear "
    "pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail "
    "snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale "
    "willow_tree wolf woman worm"
)
CLASSES_100 = tuple(_CLASSES_100.split())
_SUPERCLASSES = (
    "aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture insects large_carnivores "
    "large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people "
    "reptiles small_mammals trees vehicles_1 vehicles_2"
)
SUPERCLASSES = tuple(_SUPERCLASSES.split())


class CIFAR10(StoredSet):
    """60,000 colour images in 10 classes."""

    title = "CIFAR-10 (32x32)"
    summary = "60,000 small colour photographs in 10 classes."
    homepage = "https://www.cs.toronto.edu/~kriz/cifar.html"
    megabytes = 170
    binary_folder: ClassVar[str] = "cifar-10-batches-bin"
    binary_files: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test": ("test_batch.bin",),
    }
    pickle_folder: ClassVar[str] = "cifar-10-batches-py"
    pickle_files: ClassVar[dict[str, tuple[str, ...]]] = {
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    }
    label_keys: ClassVar[dict[str, str]] = {"category": "labels"}  # target -> the pickles' key, in the order of the binary form's bytes

    def tasks(self) -> tuple[Task, ...]:
        return (Task("category", "classification", "category", classes=CLASSES_10, title="What it is"),)

    def image_shape(self) -> tuple[int, int, int]:
        return (3, 32, 32)

    def files(self) -> list[Path]:
        if self._is_binary():
            return [self.root / self.binary_folder / name for names in self.binary_files.values() for name in names]
        return [self.root / self.pickle_folder / name for names in self.pickle_files.values() for name in names]

    def resources(self) -> list[Resource]:
        published = self._published()
        return [Resource(published.url, published.tgz_md5, self.root, unpack=True)]

    def count(self, part: str) -> int:
        if self._is_binary() and not self.missing():
            sizes = [(self.root / self.binary_folder / name).stat().st_size for name in self.binary_files[part]]
            return sum(size // self._record for size in sizes)
        return {"train": 50_000, "test": 10_000}[part]

    def read(self, part: str, rows: np.ndarray, progress: Progress) -> MultiTaskDataset:
        pixels, targets = self._from_binary(part) if self._is_binary() else self._from_pickles(part, progress)
        for task in self.tasks():
            if targets[task.target].max(initial=0) >= len(task.classes):
                raise DataError(f"'{self.root}': expected {task.target} below {len(task.classes)}, found {targets[task.target].max()}.")
        images = np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32)[rows])
        known = np.ones(len(rows), dtype=bool)
        return MultiTaskDataset(images, {name: values[rows] for name, values in targets.items()}, dict.fromkeys(targets, known))

    @property
    def _record(self) -> int:
        return len(self.label_keys) + _PIXELS

    def _published(self) -> Any:
        from torchvision import datasets  # takes seconds to import

        return getattr(datasets, type(self).__name__)

    def _is_binary(self) -> bool:
        return (self.root / self.binary_folder).is_dir()

    def _pickles(self, part: str) -> list[tuple[Path, str]]:
        published = self._published()
        return [(self.root / self.pickle_folder / name, md5) for name, md5 in getattr(published, f"{part}_list")]

    def _from_binary(self, part: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        records = []
        for name in self.binary_files[part]:
            path = self.root / self.binary_folder / name
            data = np.frombuffer(path.read_bytes(), np.uint8)
            if len(data) == 0 or len(data) % self._record:
                raise DataError(f"'{path}': expected a whole number of {self._record:,} bytes per image, found {len(data):,} bytes. Copy it again.")
            records.append(data.reshape(-1, self._record))
        every = np.concatenate(records)
        labels = {target: every[:, column].astype(np.int64) for column, target in enumerate(self.label_keys)}
        return every[:, len(self.label_keys) :], labels

    def _from_pickles(self, part: str, progress: Progress) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        pixels: list[np.ndarray] = []
        labels: dict[str, list[np.ndarray]] = {target: [] for target in self.label_keys}
        for number, (path, md5) in enumerate(self._pickles(part)):
            entry = _verified_pickle(path, md5)
            pixels.append(entry["data"])
            for target, key in self.label_keys.items():
                labels[target].append(np.asarray(entry[key], np.int64))
            progress(0.5 + 0.4 * (number + 1) / 6, path.name)
        return np.concatenate(pixels), {target: np.concatenate(parts) for target, parts in labels.items()}


class CIFAR100(CIFAR10):
    """60,000 colour images in 100 classes and 20 groups of classes: two tasks on the same images."""

    title = "CIFAR-100 (32x32)"
    summary = "60,000 small colour photographs in 100 classes and 20 groups of classes."
    binary_folder = "cifar-100-binary"
    binary_files: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("train.bin",), "test": ("test.bin",)}
    pickle_folder = "cifar-100-python"
    pickle_files: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("train",), "test": ("test",)}
    label_keys: ClassVar[dict[str, str]] = {"group": "coarse_labels", "category": "fine_labels"}

    def tasks(self) -> tuple[Task, ...]:
        return (
            Task("category", "classification", "category", classes=CLASSES_100, title="What it is"),
            Task("group", "classification", "group", classes=SUPERCLASSES, title="Group of what it is"),
        )


def _verified_pickle(path: Path, md5: str) -> dict[str, Any]:
    found = md5_of(path)
    if found != md5:
        raise DataError(
            f"'{path}' is not the published file (MD5 {found}, expected {md5}). It is a pickle, which could run code, so it was not opened. "
            "Fetch the set again, or use its binary version."
        )
    with path.open("rb") as file:
        return _ArraysOnly(file, encoding="latin1").load()


class _ArraysOnly(pickle.Unpickler):
    """Unpickler that makes numpy arrays and plain values and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("numpy") and name in ("_reconstruct", "ndarray", "dtype"):
            return {"_reconstruct": np._core.multiarray._reconstruct, "ndarray": np.ndarray, "dtype": np.dtype}[name]  # pyright: ignore[reportAttributeAccessIssue] - private
        raise DataError(f"the pickle asks for '{module}.{name}', which was refused; expected arrays and plain values only")
