"""Outlines: the areas of an image's objects as polygons or run lengths, and their drawing into one mask with pycocotools.

A format makes outlines with ``polygon``, ``rectangle``, ``ellipse``, ``run_lengths`` or ``bitmap``, which raise ``ValueError`` with a sentence. It
returns ``Shapes.of([(number, outline), ...], size)`` as the image's segmentation target::

    Shapes.of([(1, polygon([(20, 16), (60, 16), (60, 50)])), (IGNORE, rectangle(5, 5, 9, 9))], (96, 72))

Coordinates are those of boxes: pixel (0, 0) covers 0 to 1 in x and in y, and a rectangle from 20 to 60 covers the columns 20 to 59.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from pycocotools import mask as coco_mask

from mtl_core.data.dataset import IGNORE
from mtl_core.data.imports.checking.frames import Placement, in_proportion, place_map, place_points
from mtl_core.data.imports.formats.annotations import rle

MOST_POINTS = 100_000  # of one polygon
MOST_POLYGONS = 10_000  # of one object
MOST_STEPS = 2_000_000  # most pixels along one polygon at its drawn size; pycocotools allocates about 100 bytes for each


@dataclass(frozen=True)
class Outline:
    """The area of one object: the union of its polygons without its holes, or run lengths.

    Attributes:
        polygons, holes: float64 (n, 2) as x, y each; in pixels, or in shares of the image's sides if ``Shapes.shares``.
        counts: COCO's run lengths, plain or packed, down the columns of an image of ``size`` (width, height); None for polygons.
    """

    polygons: tuple[np.ndarray, ...] = ()
    holes: tuple[np.ndarray, ...] = ()
    counts: Any = None
    size: tuple[int, int] | None = None

    @property
    def stated_size(self) -> tuple[int, int]:
        """The ``size`` of run lengths, which always have one."""
        return cast("tuple[int, int]", self.size)

    def area(self) -> float:
        """Area in pixels, or in shares of the image. Overlapping polygons count twice."""
        if self.counts is not None:
            return float(rle.run_lengths(self.counts, *self.stated_size)[1::2].sum())
        return sum(_area(points) for points in self.polygons) - sum(_area(points) for points in self.holes)

    def without(self, holes: Outline) -> Outline:
        """This area without another outline's polygons."""
        return replace(self, holes=(*self.holes, *holes.polygons))

    def with_also(self, more: Outline) -> Outline:
        """The union of this area and another outline's polygons, as one object."""
        return replace(self, polygons=(*self.polygons, *more.polygons), holes=(*self.holes, *more.holes))

    def scaled(self, size: tuple[float, float]) -> Outline:
        """The outline with x and y multiplied by ``size`` (width, height), or by other factors."""
        return replace(self, polygons=tuple(p * size for p in self.polygons), holes=tuple(p * size for p in self.holes))

    def steps(self, place: Placement) -> float:
        """Pixels along the longest polygon near the picture, at its drawn size."""
        return max((_steps(_near(place_points(points, place), place)) for points in (*self.polygons, *self.holes)), default=0.0)

    def render(self, place: Placement) -> np.ndarray:
        """bool (H, W). Polygons are scaled and then drawn, so they are exact at the drawn size; run lengths are drawn and then scaled."""
        if self.counts is not None:
            return place_map(rle.decoded(self.counts, *self.stated_size).astype(np.uint8), place, 0).astype(bool)
        inside = _drawn(self.polygons, place)
        return inside & ~_drawn(self.holes, place) if self.holes else inside


@dataclass(frozen=True)
class Shapes:
    """The outlines of one image, drawn in order: a segmentation target.

    Attributes:
        shapes: (number in the mask, outline), later ones over earlier ones; ``IGNORE`` for ignored pixels, 0 is the background.
        size: (width, height) of the image as the file states it; None if it states none.
        shares: whether coordinates are shares of the image's sides, not pixels.
        scale: whether outlines with another ``size`` are scaled to the image if the proportions agree.
        upright: whether they lie in the picture after EXIF rotation, although ``size`` may be that of the stored picture.
    """

    shapes: tuple[tuple[int, Outline], ...]
    size: tuple[int, int] | None = None
    shares: bool = False
    upright: bool = False
    scale: bool = False

    @classmethod
    def of(
        cls, objects: Iterable[tuple[int, Outline]], size: tuple[int, int] | None = None, shares: bool = False, keep_order: bool = False
    ) -> Shapes:
        """Shapes with larger outlines below smaller ones. ``keep_order``: in the given order, for formats that store the drawing order."""
        found = tuple(objects)
        return cls(found if keep_order else tuple(sorted(found, key=lambda pair: -pair[1].area())), size, shares)

    def at(self, size: tuple[int, int]) -> Shapes:
        """The shapes in pixels of an image of ``size`` (width, height)."""
        factors = size if self.shares else (size[0] / self.size[0], size[1] / self.size[1]) if self.size and self.fits(size) else None
        moved = tuple((number, outline.scaled(factors)) for number, outline in self.shapes) if factors else self.shapes
        return Shapes(moved, size)

    def fits(self, size: tuple[int, int]) -> bool:
        """Whether the shapes may be scaled to an image of ``size`` (width, height). Run lengths cannot be scaled."""
        if not self.scale or self.size in (None, size) or not in_proportion(self.size, size):
            return False
        return all(outline.counts is None for _, outline in self.shapes)

    def renumbered(self, numbers: dict[int, int]) -> Shapes:
        """The shapes with other numbers; numbers without an entry stay."""
        return replace(self, shapes=tuple((numbers.get(number, number), outline) for number, outline in self.shapes))

    def digest(self) -> str:
        """Hash of everything that is drawn."""
        total = hashlib.sha256(repr((self.size, self.shares)).encode())
        for number, outline in self.shapes:
            total.update(repr((number, outline.counts, outline.size, len(outline.polygons))).encode())
            for points in (*outline.polygons, *outline.holes):
                total.update(points.tobytes() + b"\n")
        return total.hexdigest()

    def render(self, place: Placement) -> np.ndarray:
        """uint8 (H, W): the numbers, 0 for background, IGNORE outside the image. Coordinates must be pixels (see ``at``)."""
        mask = np.zeros((place.height, place.width), np.uint8)
        for number, outline in self.shapes:
            mask[outline.render(place)] = number
        if self.size is not None:
            for axis, side, begin, scale in ((0, self.size[1], place.top, place.scale_y), (1, self.size[0], place.left, place.scale_x)):
                at = (np.arange(mask.shape[axis]) + 0.5 - begin) / scale
                mask[(slice(None),) * axis + ((at < 0) | (at >= side),)] = IGNORE
        return mask


def polygon(points: Any) -> Outline:
    """A closed polygon of (x, y) pairs, or of numbers x, y, x, y, ...

    Raises:
        ValueError: fewer than three points, too many, or numbers that are not finite.
    """
    try:
        numbers = np.array(points, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a polygon with values that are not numbers") from None
    if numbers.ndim == 1 and numbers.size % 2 == 0:
        numbers = numbers.reshape(-1, 2)
    if numbers.ndim != 2 or numbers.shape[1] != 2 or len(numbers) < 3:
        raise ValueError("a polygon needs three points or more, as pairs of finite numbers")
    if len(numbers) > MOST_POINTS:
        raise ValueError(f"a polygon of {len(numbers):,} points; at most {MOST_POINTS:,} are drawn")
    if not np.isfinite(numbers).all() or np.abs(numbers).max() >= 1e6:
        raise ValueError("a polygon needs three points or more, as pairs of finite numbers below a million")
    return Outline((numbers,))


def polygons(several: Sequence[Any]) -> Outline:
    """One object of several polygons, as COCO lists them.

    Raises:
        ValueError: none, too many, or an unusable one.
    """
    if not isinstance(several, list | tuple) or not several:
        raise ValueError("no outline")
    if len(several) > MOST_POLYGONS:
        raise ValueError(f"an object of {len(several):,} polygons; at most {MOST_POLYGONS:,} are drawn")
    return Outline(tuple(polygon(points).polygons[0] for points in several))


def rectangle(x1: float, y1: float, x2: float, y2: float, degrees: float = 0.0) -> Outline:
    """A rectangle by two corners, rotated clockwise on screen about its centre."""
    return polygon(_turned(np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], np.float64), ((x1 + x2) / 2, (y1 + y2) / 2), degrees))


def ellipse(x: float, y: float, across: float, down: float, degrees: float = 0.0) -> Outline:
    """An ellipse by its centre and half axes, rotated clockwise on screen, as a polygon with an error below 0.02 pixels."""
    largest = max(abs(across), abs(down), 1.0)
    if not largest < 1e6:
        raise ValueError("an ellipse needs finite half axes below a million")
    turns = np.linspace(0, 2 * np.pi, int(np.clip(np.pi / np.arccos(1 - 0.02 / largest), 16, 4096)), endpoint=False)
    points = np.stack([x + across * np.cos(turns), y + down * np.sin(turns)], axis=1)
    return polygon(_turned(points, (x, y), degrees))


def run_lengths(counts: Any, size: tuple[int, int]) -> Outline:
    """COCO's run lengths (plain or packed) of an image of ``size`` (width, height).

    Raises:
        ValueError: they don't fill the image.
    """
    rle.run_lengths(counts, *size)
    return Outline(counts=counts, size=(int(size[0]), int(size[1])))


def bitmap(inside: np.ndarray, size: tuple[int, int], left: int = 0, top: int = 0) -> Outline:
    """A bool (h, w) part of a mask whose upper left pixel is (left, top) of an image of ``size`` (width, height); it is clipped to the image."""
    if inside.ndim != 2 or size[0] * size[1] > 100_000_000:
        raise ValueError("a bitmap of an image that is too large, or of more than one channel")
    whole = np.zeros((size[1], size[0]), np.uint8)
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + inside.shape[1], size[0]), min(top + inside.shape[0], size[1])
    if x2 > x1 and y2 > y1:
        whole[y1:y2, x1:x2] = inside[y1 - top : y2 - top, x1 - left : x2 - left]
    return run_lengths(coco_mask.encode(np.asfortranarray(whole))["counts"], size)


def _turned(points: np.ndarray, middle: tuple[float, float], degrees: float) -> np.ndarray:
    if not degrees:
        return points
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (points - middle) @ np.array([(cos, sin), (-sin, cos)]) + middle


def _area(points: np.ndarray) -> float:
    x, y = (points - points[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _steps(points: np.ndarray) -> float:
    return float(np.abs(np.diff(points, axis=0, append=points[:1])).max(axis=1).sum()) if len(points) else 0.0


def _drawn(several: tuple[np.ndarray, ...], place: Placement) -> np.ndarray:
    """bool (H, W): the union of the polygons."""
    near = [_near(place_points(points, place), place) for points in several]
    flat = [points.reshape(-1) for points in near if len(points) >= 3]
    if not flat:
        return np.zeros((place.height, place.width), bool)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(cast("Any", flat), place.height, place.width))).astype(bool)


def _near(points: np.ndarray, place: Placement) -> np.ndarray:
    """A polygon clipped to one picture width or height beyond each side, so that pycocotools does not trace invisible parts."""
    far = float(max(place.width, place.height))
    for axis, low, high in ((0, -far, place.width + far), (1, -far, place.height + far)):
        for sign, bound in ((1.0, low), (-1.0, -high)):
            if len(points) and (sign * points[:, axis] < bound).any():
                points = _cut(points, axis, sign, bound)
    return points


def _cut(points: np.ndarray, axis: int, sign: float, bound: float) -> np.ndarray:
    """The part of a polygon with ``sign`` * coordinate >= ``bound`` (Sutherland and Hodgman 1974)."""
    following = np.roll(points, -1, axis=0)
    at, to = sign * points[:, axis], sign * following[:, axis]
    crosses = (at < bound) != (to < bound)
    share = np.divide(bound - at, to - at, out=np.zeros_like(at), where=crosses)
    between = points + share[:, None] * (following - points)
    both = np.stack([points, between], axis=1).reshape(-1, 2)
    return both[np.stack([at >= bound, crosses], axis=1).reshape(-1)]
