"""PackedShapes: ``Shapes`` stored as bytes, so that the outlines of a whole set take less memory than its files."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping

import numpy as np

from mtl_core.data.imports.formats.annotations.outlines import Outline, Shapes

_HEAD = struct.Struct("<iBBHH")  # name, layer, type of the numbers, polygons, holes
_LENGTH = struct.Struct("<I")
_HUNDREDTHS, _FLOATS, _RUNS = range(3)
_MOST = 65_535


def packed(name: int, outline: Outline, layer: int = 1) -> bytes:
    """One object as bytes. ``name``: a number that ``PackedShapes`` translates. ``layer``: higher layers are drawn over lower ones."""
    if outline.counts is not None:
        counts = outline.counts.decode("ascii") if isinstance(outline.counts, bytes) else outline.counts
        text = json.dumps([counts, outline.size]).encode()
        return _HEAD.pack(name, layer, _RUNS, 0, 0) + _LENGTH.pack(len(text)) + text
    several = (*outline.polygons[:_MOST], *outline.holes[:_MOST])
    whole = [np.rint(points * 100) for points in several]
    exact = all((part / 100 == points).all() and np.abs(part).max() < 2**31 for part, points in zip(whole, several, strict=True))
    parts = [part.astype("<i4") for part in whole] if exact else [points.astype("<f8") for points in several]
    head = _HEAD.pack(name, layer, _HUNDREDTHS if exact else _FLOATS, len(outline.polygons[:_MOST]), len(outline.holes[:_MOST]))
    return head + b"".join(_LENGTH.pack(part.nbytes) + part.tobytes() for part in parts)


class PackedShapes(Shapes):
    """Objects of one image from ``packed``, in any order. Within a layer larger ones lie below smaller ones.

    Args:
        data: concatenated bytes of all objects.
        numbers: name as in ``data`` -> number in the mask; shared by all images.
    """

    data: bytes | bytearray
    numbers: Mapping[int, int]

    def __init__(
        self,
        data: bytes | bytearray,
        numbers: Mapping[int, int],
        size: tuple[int, int] | None,
        shares: bool = False,
        upright: bool = False,
        scale: bool = False,
    ):
        values = {"data": data, "numbers": numbers, "size": size, "shares": shares, "upright": upright, "scale": scale}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def shapes(self) -> tuple[tuple[int, Outline], ...]:  # type: ignore[override]
        """(number in the mask, outline) in the order of drawing; unpacked each time."""
        found = sorted(_unpacked(self.data), key=lambda entry: (entry[0], -entry[2].area()))
        return tuple((self.numbers[name], outline) for _, name, outline in found)

    def at(self, size: tuple[int, int]) -> Shapes:
        return super().at(size) if self.shares or self.fits(size) else PackedShapes(self.data, self.numbers, size, upright=self.upright)

    def renumbered(self, numbers: dict[int, int]) -> Shapes:
        moved: dict[int, int] = {name: numbers.get(number, number) for name, number in self.numbers.items()}
        return PackedShapes(self.data, moved, self.size, self.shares, self.upright, self.scale)


def _unpacked(data: bytes | bytearray) -> Iterator[tuple[int, int, Outline]]:
    """(layer, name, outline)."""
    at = 0
    while at < len(data):
        name, layer, kind, polygons, holes = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        parts = []
        for _ in range(polygons + holes if kind != _RUNS else 1):
            (length,) = _LENGTH.unpack_from(data, at)
            parts.append(data[at + _LENGTH.size : at + _LENGTH.size + length])
            at += _LENGTH.size + length
        if kind == _RUNS:
            counts, (width, height) = json.loads(parts[0])
            yield layer, name, Outline(counts=counts, size=(width, height))
            continue
        numbers = [np.frombuffer(part, "<i4") / 100 if kind == _HUNDREDTHS else np.frombuffer(part, "<f8").astype(np.float64) for part in parts]
        points = tuple(values.reshape(-1, 2) for values in numbers)
        yield layer, name, Outline(points[:polygons], points[polygons:])
