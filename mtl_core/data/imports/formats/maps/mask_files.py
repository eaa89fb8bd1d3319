"""MaskFile and ClassMasks: the mask of one picture in one file, or in one file per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.checking.frames import Placement, place_map
from mtl_core.data.imports.picture_reading import MOST_BYTES, colour_image, index_image
from mtl_core.data.imports.tree import Tree, UnreadableError

_NEAR = 96  # largest distance of a number or colour to its nearest listed one, with the option 'nearest'


@dataclass(frozen=True)
class MaskFile:
    """A mask in its file.

    Attributes:
        table: number in the file (of a colour: red * 65536 + green * 256 + blue) -> class index, IGNORE for ignored pixels.
        coloured: whether the table holds colours, not numbers.
        threshold: numbers below it become the lowest of the table, others the highest.
        nearest: whether numbers that are not in the table become the nearest one in it.
        scale: whether a mask of another size than its picture is scaled to it, nearest neighbour.
        picture: (width, height) of the picture once it is known.
    """

    tree: Tree
    file: str
    table: dict[int, int]
    coloured: bool = False
    threshold: float | None = None
    nearest: bool = False
    scale: bool = False
    picture: tuple[int, int] | None = None

    def numbers(self) -> np.ndarray:
        """int32 (H, W): numbers after ``threshold`` and ``nearest``."""
        content = self.tree.read(self.file, MOST_BYTES)
        values = colour_image(content) if self.coloured else index_image(content)
        if self.threshold is not None:
            values = np.where(values < self.threshold, min(self.table), max(self.table)).astype(np.int32)
        if self.nearest:
            found, place = np.unique(values, return_inverse=True)
            values = self._nearest(found)[place].reshape(values.shape)
        return values

    def unlisted(self, numbers: np.ndarray) -> dict[int, int]:
        """Number without a class -> pixels."""
        values, counts = np.unique(numbers, return_counts=True)
        return {int(v): int(c) for v, c in zip(values, counts, strict=True) if int(v) not in self.table}

    def at(self, size: tuple[int, int]) -> MaskFile:
        """The same for a picture of ``size`` (width, height)."""
        return replace(self, picture=size)

    def renumbered(self, place: Sequence[int]) -> MaskFile:
        """The same with class ``place[index]`` for each index."""
        return replace(self, table={number: place[index] if index < len(place) else index for number, index in self.table.items()})

    def words(self, number: int) -> str:
        """A number as text of the description, a colour as '#rrggbb'."""
        return f"#{number:06x}" if self.coloured else str(number)

    def classes(self, numbers: np.ndarray) -> np.ndarray:
        """uint8 (H, W) class index, IGNORE where there is none."""
        mask = np.full(numbers.shape, IGNORE, np.uint8)
        for value, index in self.table.items():
            mask[numbers == value] = index
        return mask

    def render(self, place: Placement) -> np.ndarray:
        """uint8 (H, W) class index, IGNORE where there is none."""
        return placed_mask(self.classes(self.numbers()), self.picture, place)

    def _nearest(self, found: np.ndarray) -> np.ndarray:
        known = np.array(list(self.table), np.int64)
        if self.coloured:
            mine, theirs = (np.stack([v >> 16, v >> 8 & 255, v & 255], axis=-1) for v in (found.astype(np.int64), known))
            far = np.stack([np.abs(mine - theirs[n]).sum(axis=1) for n in range(len(known))], axis=1)
        else:
            far = np.abs(found[:, None].astype(np.int64) - known)
        return np.where(far.min(axis=1) <= _NEAR, known[far.argmin(axis=1)], found).astype(np.int32)


@dataclass(frozen=True)
class ClassMasks:
    """Black-and-white masks of one picture, one for each class. Pixels that no mask marks are class 0, the background.

    Attributes:
        parts: (class index, mask whose table is {0: 0, 1: 1}) each. Where classes overlap, the smaller one counts.
    """

    parts: tuple[tuple[int, MaskFile], ...]
    picture: tuple[int, int] | None = None

    @property
    def file(self) -> str:
        """The first of its files."""
        return self.parts[0][1].file

    def at(self, size: tuple[int, int]) -> ClassMasks:
        """The same for a picture of ``size`` (width, height)."""
        return replace(self, picture=size)

    def renumbered(self, place: Sequence[int]) -> ClassMasks:
        """The same with class ``place[index]`` for each index."""
        return replace(self, parts=tuple((place[index], mask) for index, mask in self.parts))

    def marked(self) -> list[tuple[int, np.ndarray]]:
        """(class index, bool (H, W)) of every part, the larger areas first.

        Raises:
            UnreadableError: one of them is not readable, or of another size than the first.
        """
        found = []
        for index, mask in self.parts:
            try:
                found.append((index, _marks(mask)))
            except UnreadableError as error:
                raise UnreadableError(f"'{mask.file}': {error}") from None
        if len({marks.shape for _, marks in found}) > 1:
            raise UnreadableError("its masks have different sizes")
        return sorted(found, key=lambda pair: -int(pair[1].sum()))

    def classes(self) -> np.ndarray:
        """uint8 (H, W) class index."""
        marked = self.marked()
        mask = np.zeros(marked[0][1].shape, np.uint8)
        for index, marks in marked:
            mask[marks] = index
        return mask

    def render(self, place: Placement) -> np.ndarray:
        """uint8 (H, W) class index."""
        return placed_mask(self.classes(), self.picture, place)


def _marks(mask: MaskFile) -> np.ndarray:
    """The pixels that a black-and-white mask marks: numbers from its threshold on, or all but 0."""
    values = index_image(mask.tree.read(mask.file, MOST_BYTES))
    return values > 0 if mask.threshold is None else values >= mask.threshold


def placed_mask(mask: np.ndarray, picture: tuple[int, int] | None, place: Placement, outside: float = IGNORE) -> np.ndarray:
    """A mask or map (H, W) in its picture's frame. It may have another size than ``picture`` (width, height)."""
    height, width = mask.shape
    if picture is not None and picture != (width, height):
        place = replace(place, scale_x=place.scale_x * picture[0] / width, scale_y=place.scale_y * picture[1] / height)
    return place_map(mask, place, outside)
