"""Layout of a digit scene: distances, sizes and places at which most of every digit's pixels are visible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl_core.data.sources.glyphs import Shape, shape

WALL_DISTANCE = 3.0  # metres
NEAREST, FARTHEST = 0.9, 1.7  # metres
HEIGHT_SPREAD = 0.1  # metres; a digit is 1 m tall, plus or minus this
LEAST_VISIBLE = 0.6  # share of a digit's pixels
_PLACE_TRIES, _LAYOUT_TRIES = 24, 12


@dataclass(frozen=True)
class PlacedDigit:
    """One digit of a scene.

    Attributes:
        row: row of the source digit.
        digit: 0..9.
        distance: metres from the camera.
        shape: the digit's shape at its size in the scene.
        x, y: upper left corner of its tight box.
    """

    row: int
    digit: int
    distance: float
    shape: Shape
    x: int
    y: int

    @property
    def area(self) -> tuple[slice, slice]:
        """The tight box as an index into (H, W) arrays."""
        height, width = self.shape.mask.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 around all of the digit's pixels, including covered ones."""
        height, width = self.shape.mask.shape
        return self.x, self.y, self.x + width, self.y + height


@dataclass(frozen=True)
class Layout:
    """The digits of a scene, nearest first."""

    placed: tuple[PlacedDigit, ...]


def lay_out(
    random: np.random.Generator, glyphs: Sequence[np.ndarray], rows: Sequence[int] | np.ndarray, digits: Sequence[int] | np.ndarray, size: int
) -> Layout:
    """Places for one to eight digits in a square image.

    Digits are placed from near to far, so that the digits in front are known. A place that hides too much of a digit is drawn again. If no layout
    fits after many draws, the farthest digit is left out.

    Args:
        glyphs: from ``glyphs.cut_out``, in the order of ``rows`` (which source digits) and ``digits`` (0..9).
        size: image height and width in pixels.
    """
    count = len(glyphs)
    while True:
        for _ in range(_LAYOUT_TRIES):
            placed = _try_layout(random, glyphs[:count], rows, digits, size)
            if placed is not None:
                return Layout(placed)
        count -= 1


def _try_layout(random, glyphs, rows, digits, size: int) -> tuple[PlacedDigit, ...] | None:
    """One draw of distances and places; None if a digit found no place. A single digit always finds one."""
    taken = np.zeros((size, size), bool)
    placed = []
    for which, distance in enumerate(_distances(random, len(glyphs))):
        height = 0.5 * size / distance * random.uniform(1 - HEIGHT_SPREAD, 1 + HEIGHT_SPREAD)
        drawn = shape(glyphs[which], height, random.uniform(0.95, 1.25))
        place = _free_place(random, drawn.mask, taken)
        if place is None:
            return None
        digit = PlacedDigit(int(rows[which]), int(digits[which]), float(np.float32(distance)), drawn, *place)
        taken[digit.area] |= drawn.mask
        placed.append(digit)
    return tuple(placed)


def _distances(random: np.random.Generator, count: int) -> np.ndarray:
    """Ascending distances, one from the inner part of each of ``count`` equal ranges, so that the order is visible."""
    return NEAREST + (FARTHEST - NEAREST) * (np.arange(count) + random.uniform(0.1, 0.9, count)) / count


def _free_place(random: np.random.Generator, mask: np.ndarray, taken: np.ndarray) -> tuple[int, int] | None:
    """Upper left corner (x, y) inside the image, one pixel from its edge where possible."""
    height, width = mask.shape
    size = len(taken)
    needed = LEAST_VISIBLE * np.count_nonzero(mask)
    for _ in range(_PLACE_TRIES):
        x, y = int(random.integers(1, max(2, size - width))), int(random.integers(1, max(2, size - height)))
        if np.count_nonzero(mask > taken[y : y + height, x : x + width]) >= needed:
            return x, y
    return None
