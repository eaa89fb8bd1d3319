"""Oxford-IIIT Pet (Parkhi et al. 2012): breed, species, trimap and head box of the same pictures, in torchvision's folder layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import IGNORE, MultiTaskDataset, Task
from mtl_core.data.sources.published_pictures import PictureSet, lines, scaled_boxes, voc_boxes
from mtl_core.data.sources.published_set import Resource, index_mask
from mtl_core.errors import DataError

SPECIES = ("cat", "dog")
TRIMAP = ("animal", "background", "border")  # 1, 2, 3 in the files


class Pet(NamedTuple):
    """A line of the list: the picture's name, and the numbers of its breed and species, both from 1."""

    name: str
    breed: int
    species: int


class OxfordPets(PictureSet):
    """Four tasks on the same pictures. Head boxes exist for part of the training pictures only, and for no test picture."""

    title = "Oxford-IIIT Pet"
    summary = "7,349 pictures of cats and dogs: breed, species, trimap segmentation and, for part of them, a box around the head."
    homepage = "https://www.robots.ox.ac.uk/~vgg/data/pets"
    megabytes = 810
    published: ClassVar[dict[str, int]] = {"train": 3680, "test": 3669}

    def tasks(self) -> tuple[Task, ...]:
        return (
            Task("breed", "classification", "breed", classes=tuple(self._breeds().values()), title="Breed"),
            Task("species", "classification", "species", classes=SPECIES, title="Cat or dog"),
            Task("trimap", "segmentation", "trimap", classes=TRIMAP, title="Animal, background and the border between"),
            Task("head", "detection", "head", classes=("head",), title="Box around the head"),
        )

    def files(self) -> list[Path]:
        return [self._base / "images", *(self._base / "annotations" / name for name in ("trainval.txt", "test.txt", "trimaps"))]

    def resources(self) -> list[Resource]:
        from torchvision import datasets  # takes seconds to import

        return [Resource(url, md5, self._base, unpack=True) for url, md5 in datasets.OxfordIIITPet._RESOURCES]

    def read(self, part: str, rows: np.ndarray, progress: Progress) -> MultiTaskDataset:
        self._order = list(self._breeds())
        return super().read(part, rows, progress)

    def entries(self, part: str) -> list[Pet]:
        path = self._base / "annotations" / ("test.txt" if part == "test" else "trainval.txt")
        found = []
        for line in lines(path):
            try:
                name, breed, species, _ = line.split()
                found.append(Pet(name, int(breed), int(species)))
            except ValueError:
                raise DataError(f"'{path}': expected lines of a name and three numbers, found '{line[:80]}'") from None
            if not 1 <= found[-1].species <= 2 or "/" in name or "\\" in name:
                raise DataError(f"'{path}': expected a plain name and species 1 or 2, found '{line[:80]}'")
        return found

    def picture_path(self, entry: Pet) -> Path:
        return self._base / "images" / f"{entry.name}.jpg"

    def targets_of(self, entry: Pet, scale: tuple[float, float]) -> dict[str, Any]:
        size, annotations = self.options.image_size, self._base / "annotations"
        mask = index_mask(annotations / "trimaps" / f"{entry.name}.png", size)
        boxes = annotations / "xmls" / f"{entry.name}.xml"
        found = [(*box[:4], "head") for box in voc_boxes(boxes)] if boxes.is_file() else None
        return {
            "breed": self._order.index(entry.breed),
            "species": entry.species - 1,
            "trimap": np.where((mask >= 1) & (mask <= 3), mask - 1, IGNORE).astype(np.uint8),
            "head": None if found is None else scaled_boxes(found, ("head",), scale, size),
        }

    @property
    def _base(self) -> Path:
        return self.root / "oxford-iiit-pet"

    def _breeds(self) -> dict[int, str]:
        """Number in the lists -> name, for the breeds that occur. A subset of the set keeps the lists' numbers; class numbers have no gaps."""
        try:
            every = {pet.breed: pet.name.rpartition("_")[0].replace("_", " ") for part in ("train", "test") for pet in self.entries(part)}
        except DataError:
            every = {}  # ``build`` reports the error
        return dict(sorted(every.items())) or {number: f"breed {number}" for number in range(1, 38)}
