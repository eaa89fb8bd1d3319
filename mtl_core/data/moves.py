"""Moves of a picture, and the function by which targets follow them.

All targets of augmentation and preprocessing, and the points of imports, go through ``moved``. Imports have functions of their own for boxes, masks
and depth (``mtl_core.data.imports.checking.frames``): they keep every part of a box that is in the frame, and prepared sets of earlier versions must
stay the same. Predictions go the way back (``mtl_core.inference.fit``): what lies in a bar beside the image is moved to the image's edge instead of
dropped, and depth is interpolated. ``tests/data/test_moves.py`` holds all of them to the same picture.

A ``Move`` says where positions go (``forward``) and how maps and boxes of this move are taken along; ``moved`` decides by the target's geometry
(``mtl_core.data.target_geometry``) what has to be done. Positions are continuous: pixel j covers j..j+1. Works on numpy and on torch alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from mtl_core.data.target_geometry import MAPS, VECTORS

ABSENT = 0  # visibility of a point that is not in the picture, or not known; 1 is hidden, 2 visible


class Move(ABC):
    """One move of n pictures of one size.

    Attributes:
        old, new: (height, width) before and after.
        forward: (n, 2, 3), from old to new positions in pixels: x' = f[0, 0] x + f[0, 1] y + f[0, 2], y' likewise.
        mirrored: bool (n,), pictures that ``forward`` mirrors; None for none.
        zoom: (n,), how many times nearer the camera comes: what looks twice as large is half as far away. None where it sees the same scene with
            other pixels.
    """

    old: tuple[int, int]
    new: tuple[int, int]
    forward: Any
    mirrored: Any = None
    zoom: Any = None

    @abstractmethod
    def maps(self, values: Any) -> Any:
        """Maps (n, ..., H, W), one value a pixel: the nearest one's, never a mixture."""

    @abstractmethod
    def boxes(self, values: Any) -> Any:
        """Boxes (n, M, 5) in pixels, cut off at the picture's edges; those of which too little is left become padding."""


def moved(values: Any, geometry: str, move: Move, mirror: Sequence[int] = ()) -> Any:
    """Targets of n pictures after a move.

    Numbers (coordinates, angles, lengths, areas) may need another target and go through ``target_geometry.moved_numbers``; they stay here,
    like all that says nothing of places.

    Args:
        geometry: a name in ``target_geometry.GEOMETRIES``; empty for none.
        mirror: of points: which one stands in the place of each in a mirror; empty for itself.
    """
    if geometry == "boxes":
        return move.boxes(values)
    if geometry == "points":
        return _points(values, move, mirror)
    if geometry == VECTORS:
        return _vectors(move.maps(values), move)
    if geometry not in MAPS:
        return values
    values = move.maps(values)
    if move.zoom is None or geometry == "mask":
        return values
    zoom = move.zoom[:, None, None]
    return values / zoom if geometry == "depth" else values * zoom


def positions(x: Any, y: Any, forward: Any) -> tuple[Any, Any]:
    """Where points (n, K), in pixels, go."""
    entry = forward[:, :, :, None]
    return tuple(entry[:, row, 0] * x + entry[:, row, 1] * y + entry[:, row, 2] for row in (0, 1))  # type: ignore[return-value]


def _points(values: Any, move: Move, mirror: Sequence[int]) -> Any:
    """Points (n, K, 3) as shares of width and height, with visibility. One that leaves the picture is absent."""
    if move.mirrored is not None and len(mirror):
        values = _where(move.mirrored[:, None, None], values[:, list(mirror)], values)
    (old_height, old_width), (height, width) = move.old, move.new
    seen = values[..., 2]
    x, y = positions(values[..., 0] * old_width, values[..., 1] * old_height, move.forward)
    x, y = x / width, y / height
    there = (seen > ABSENT) & (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
    after = _like(_stack([x, y, seen], values), values)
    return _where(there[..., None], after, 0 * after)


def _vectors(values: Any, move: Move) -> Any:
    """In a mirror, right is left. A vector that is not known is zero."""
    if move.mirrored is None:
        return values
    turned = values * _like(_stack([-1 + 0 * values[:, 0], 1 + 0 * values[:, 1], 1 + 0 * values[:, 2]], values, 1), values)
    return _where(move.mirrored[:, None, None, None], turned, values)


def _where(condition: Any, one: Any, other: Any) -> Any:
    return _library(one).where(condition, one, other)


def _stack(parts: list[Any], like: Any, axis: int = -1) -> Any:
    return _library(like).stack(parts, axis)


def _like(value: Any, before: Any) -> Any:
    return value.astype(before.dtype) if hasattr(value, "astype") else value.to(before.dtype)


def _library(values: Any) -> Any:
    if hasattr(values, "astype"):
        import numpy as library
    else:
        import torch as library
    return library
