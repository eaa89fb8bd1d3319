"""What a target or a prediction is drawn as. Pages, sheets and ``viewer.js`` know these, and no task kind.

Each primitive gives what the viewer needs as a JSON-able ``packed`` layer; raw values, packed small, so that opacity, thresholds, zoom and the values
under the pointer need no further picture from the server.

============ ===========================================================================================================
primitive    packed
============ ===========================================================================================================
``Shares``   ``p``: a share for each class; ``one``: exactly one class is right
``Number``   ``v``: the number, None where it is unknown
``Mask``     ``mask``: packed uint8, row by row, a class for each pixel, 255 = ignore
``Heat``     ``heat``: packed uint16, row by row; 0..65534 stand for ``low``..``high``, 65535 = unknown
``Boxes``    ``boxes``: [x1, y1, x2, y2, class, score]; ``raw`` is True where overlapping ones were not dropped yet
``Points``   ``points``: [x, y, sort, share]; sort 0 = absent, 1 = hidden, 2 = visible
``Picture``  ``picture``: packed RGB bytes, drawn by the kind; ``caption``
============ ===========================================================================================================

Packed: zlib (RFC 1950), then base64. ``Shares`` and ``Number`` are said in words; the others lie over the image.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

UNKNOWN = 65535  # of a packed heat map
Layer = dict[str, Any]


def packed(values: np.ndarray) -> str:
    """Bytes of an array in the order of its rows, compressed, as text."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 1)).decode()


def rounded(values: np.ndarray, digits: int) -> list[Any]:
    """Nested lists of numbers with few digits."""
    return np.asarray(values, dtype=np.float64).round(digits).tolist()


class Primitive:
    """Parent of all. ``type`` is its name in a packed layer."""

    type: ClassVar[str]

    def packed(self) -> Layer:
        """JSON-able."""
        raise NotImplementedError


@dataclass(frozen=True)
class Shares(Primitive):
    """A share in 0..1 for each class: ``values`` (K,). ``one``: exactly one class is right, else any number."""

    type: ClassVar[str] = "shares"
    values: np.ndarray
    one: bool

    def packed(self) -> Layer:
        return {"type": self.type, "p": rounded(self.values, 5), "one": self.one}


@dataclass(frozen=True)
class Number(Primitive):
    """A number in the task's unit; NaN is unknown."""

    type: ClassVar[str] = "number"
    value: float

    def packed(self) -> Layer:
        return {"type": self.type, "v": float(self.value) if np.isfinite(self.value) else None}


@dataclass(frozen=True)
class Mask(Primitive):
    """A class for each pixel: ``values`` (H, W), 255 = ignore."""

    type: ClassVar[str] = "mask"
    values: np.ndarray

    def packed(self) -> Layer:
        return {"type": self.type, "mask": packed(self.values.astype(np.uint8))}


@dataclass(frozen=True)
class Heat(Primitive):
    """A number for each pixel, in the task's unit: ``values`` (H, W), NaN is unknown."""

    type: ClassVar[str] = "heat"
    values: np.ndarray

    def packed(self) -> Layer:
        known = np.isfinite(self.values)
        low, high = (float(self.values[known].min()), float(self.values[known].max())) if known.any() else (0.0, 0.0)
        steps = (np.where(known, self.values, low).astype(np.float64) - low) / max(high - low, 1e-12) * (UNKNOWN - 1)
        return {"type": self.type, "heat": packed(np.where(known, steps.round(), UNKNOWN).astype("<u2")), "low": low, "high": high}


@dataclass(frozen=True)
class Boxes(Primitive):
    """``rows`` (B, 6): x1, y1, x2, y2 in pixels, class, score. ``raw``: overlapping ones were not dropped yet. ``digits``: that are sent."""

    type: ClassVar[str] = "boxes"
    rows: np.ndarray
    raw: bool = False
    digits: int = 4

    def packed(self) -> Layer:
        return {"type": self.type, "boxes": rounded(self.rows, self.digits), "raw": self.raw}


@dataclass(frozen=True)
class Points(Primitive):
    """``rows`` (K, 4): x, y in pixels, 0 absent / 1 hidden / 2 visible, share in 0..1 (1 for a target). Edges between them are the task's."""

    type: ClassVar[str] = "points"
    rows: np.ndarray

    def packed(self) -> Layer:
        return {"type": self.type, "points": rounded(self.rows, 3)}


@dataclass(frozen=True)
class Picture(Primitive):
    """uint8 (H, W, 3), drawn by the kind itself, and what is said below it."""

    type: ClassVar[str] = "picture"
    image: np.ndarray
    caption: str = ""

    def packed(self) -> Layer:
        return {"type": self.type, "picture": packed(self.image), "caption": self.caption}


WORDS = (Shares.type, Number.type)  # said, not drawn over the image
