"""CelebA (Liu et al. 2015, https://arxiv.org/abs/1411.7766): 40 attributes, five landmarks and the face's box, in torchvision's folder layout.

The published boxes belong to the pictures in the wild, not to the aligned ones that torchvision gives them with
(https://github.com/pytorch/vision/issues/9008): so the box is a task of the pictures in the wild only.

The landmarks are one task of named points. Earlier versions had a task for each of their ten coordinates, in pixels; configs that name these work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from mtl_core.data.data_source import Progress
from mtl_core.data.dataset import MultiTaskDataset, Task
from mtl_core.data.sources.published_pictures import PictureOptions, PictureSet, lines, scaled_boxes
from mtl_core.errors import DataError

LANDMARKS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
POINTS = tuple(f"{point}_{axis}" for point in LANDMARKS for axis in "xy")
LANDMARK_TASK = Task(
    "landmarks",
    "keypoints",
    "landmarks",
    LANDMARKS,
    title="Eyes, nose and corners of the mouth; left is the viewer's left",
    edges=((0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4)),
    mirror_points=(1, 0, 2, 4, 3),
)
_ATTRIBUTES = (
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair Blurry Brown_Hair Bushy_Eyebrows "
    "Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face "
    "Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick "
    "Wearing_Necklace Wearing_Necktie Young"
)
ATTRIBUTES = tuple(_ATTRIBUTES.split())


def _coordinate(name: str) -> Task:
    """One coordinate of a landmark, as earlier versions had it. In a mirror left and right are exchanged."""
    point, axis = name.rsplit("_", 1)
    sides = {"left": "right", "right": "left"}
    mirror = "_".join(sides.get(word, word) for word in point.split("_")) + f"_{axis}"
    beside = f"{point}_{'y' if axis == 'x' else 'x'}"
    title = name.replace("_", " ")
    return Task(name, "regression", name, unit="pixels", title=title, geometry=axis, beside=beside, mirror=mirror, superseded=True)


class CelebAOptions(PictureOptions):
    """What can be chosen about ``celeba``."""

    download: bool = Field(False, description="Not possible for this set: it lies where programs may not fetch it.")
    train_size: int = Field(20_000, ge=0, description="Most images to train on, evenly spread; 0 for all 162,770.")
    pictures: Literal["aligned", "in_the_wild"] = Field(
        "aligned", description="'aligned': faces cut out and turned upright; 'in_the_wild': the whole photographs, with the face's box."
    )


class Face(NamedTuple):
    """A picture's row in the lists."""

    name: str
    attributes: np.ndarray
    points: np.ndarray
    box: tuple[float, float, float, float] | None


class CelebA(PictureSet):
    """40 attributes and five landmarks per face; the box for pictures in the wild."""

    title = "CelebA"
    summary = "202,599 faces with 40 attributes, five landmarks and, in the wild, a box."
    homepage = "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    megabytes = 1400
    fetchable = False
    Options = CelebAOptions
    options: CelebAOptions
    published: ClassVar[dict[str, int]] = {"train": 162_770, "val": 19_867, "test": 19_962}

    def tasks(self) -> tuple[Task, ...]:
        points = tuple(_coordinate(name) for name in POINTS)
        box = (Task("face", "detection", "face", classes=("face",), title="Box around the face"),) if self._in_the_wild else ()
        return (Task("attributes", "multi_label", "attributes", classes=ATTRIBUTES, title="40 attributes"), LANDMARK_TASK, *box, *points)

    def files(self) -> list[Path]:
        pictures, landmarks = (
            ("img_celeba", "list_landmarks_celeba.txt") if self._in_the_wild else ("img_align_celeba", "list_landmarks_align_celeba.txt")
        )
        names = [pictures, "list_attr_celeba.txt", landmarks, "list_eval_partition.txt", *(["list_bbox_celeba.txt"] if self._in_the_wild else [])]
        return [self.root / "celeba" / name for name in names]

    def entries(self, part: str) -> list[Face]:
        return self._faces({"train": "0", "val": "1", "test": "2"}[part])

    def count(self, part: str) -> int:
        number = {"train": "0", "val": "1", "test": "2"}[part]
        return sum(line.split()[-1] == number for line in lines(self._list("list_eval_partition.txt"))) or self.published[part]

    def rows(self, split: str) -> np.ndarray:
        if split == "val":  # the set has a val part of its own
            return np.arange(self.count("val"))
        count = self.count(split)
        most = self.options.train_size if split == "train" and self.options.train_size else count
        return np.linspace(0, count, min(most, count), endpoint=False).astype(np.int64)

    def build(self, split: str, progress: Progress) -> MultiTaskDataset:
        if self.missing():
            raise DataError(self.missing_sentence())
        data = self.read(split, self.rows(split), progress)
        progress(1.0, f"{len(data):,} images")
        return data

    def picture_path(self, entry: Face) -> Path:
        return self.files()[0] / entry.name

    def targets_of(self, entry: Face, scale: tuple[float, float]) -> dict[str, Any]:
        points = dict(zip(POINTS, (entry.points.reshape(-1, 2) * scale).reshape(-1).astype(np.float32), strict=True))
        found: dict[str, Any] = {"attributes": entry.attributes, "landmarks": self._landmarks(entry, scale), **points}
        if entry.box is not None:
            found["face"] = scaled_boxes([(*entry.box, "face")], ("face",), scale, self.options.image_size)
        return found

    def _landmarks(self, entry: Face, scale: tuple[float, float]) -> np.ndarray:
        """float32 (5, 3). A landmark outside of the picture is absent."""
        places = entry.points.reshape(-1, 2) * scale / self.options.image_size
        inside = np.all((places >= 0) & (places <= 1), axis=1)
        return np.where(inside[:, None], np.column_stack([places, np.full(len(places), 2.0)]), 0).astype(np.float32)

    @property
    def _in_the_wild(self) -> bool:
        return self.options.pictures == "in_the_wild"

    def _list(self, name: str) -> Path:
        return self.root / "celeba" / name

    def _faces(self, part: str) -> list[Face]:
        attributes = self._table("list_attr_celeba.txt", 40)
        points = self._table(self.files()[2].name, 10)
        boxes = self._table("list_bbox_celeba.txt", 4) if self._in_the_wild else {}
        found = []
        for line in lines(self._list("list_eval_partition.txt")):
            name, number = line.split()
            if number != part:
                continue
            if name not in attributes or name not in points or (self._in_the_wild and name not in boxes) or "/" in name or "\\" in name:
                raise DataError(
                    f"'{name}' stands in 'list_eval_partition.txt' but not in every other list of '{self.root / 'celeba'}'. Copy them again."
                )
            x, y, width, height = boxes.get(name, np.zeros(4))
            box = (x, y, x + width, y + height) if self._in_the_wild else None
            found.append(Face(name, (attributes[name] > 0).astype(np.uint8), points[name], box))
        return found

    def _table(self, name: str, columns: int) -> dict[str, np.ndarray]:
        """Picture -> its numbers. The first two lines are the count and the names of the columns."""
        rows = {}
        for line in lines(self._list(name))[2:]:
            picture, *values = line.split()
            try:
                rows[picture] = np.array(values, dtype=np.float64)
            except ValueError:
                rows[picture] = np.empty(0)
            if len(rows[picture]) != columns:
                raise DataError(f"'{self._list(name)}': expected a name and {columns} numbers a line, found '{line[:80]}'")
        return rows
